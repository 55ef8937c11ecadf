//! The SQL of the totals: additive, so that workers need not know of one another. Reads nothing.

use runtime::StoreError;
use sqlx::PgConnection;

use super::Statement;
use crate::totals::{CustomerTotals, Funnel, Sales, Totals};

/// Adds a batch's share, by one statement: to begin and end one costs as much as twenty rows.
///
/// # Errors
/// What the database answered.
pub(super) async fn save(conn: &mut PgConnection, totals: &Totals) -> Result<(), StoreError> {
    if *totals == Totals::default() {
        return Ok(());
    }
    let statement = bind_sales(bind_customers(sqlx::query(ADD), totals), totals);
    bind_funnel(statement, totals).execute(&mut *conn).await?;
    remove_empty_sales(conn, totals).await
}

/// The funnel's row of this hour is the one that every worker wants: its insert waits for what the
/// others return, so that it is locked last.
const ADD: &str = "
    WITH adding_customers AS (
        INSERT INTO customers AS old
            (customer_id, currency, orders, confirmed, rejected, cancelled, revenue_minor,
             first_order_at, last_order_at)
        SELECT UNNEST($1::text[]), UNNEST($2::text[]), UNNEST($3::bigint[]), UNNEST($4::bigint[]),
               UNNEST($5::bigint[]), UNNEST($6::bigint[]), UNNEST($7::text[])::numeric,
               UNNEST($8::timestamptz[]), UNNEST($9::timestamptz[])
        ON CONFLICT (customer_id, currency) DO UPDATE SET
            orders = old.orders + excluded.orders,
            confirmed = old.confirmed + excluded.confirmed,
            rejected = old.rejected + excluded.rejected,
            cancelled = old.cancelled + excluded.cancelled,
            revenue_minor = old.revenue_minor + excluded.revenue_minor,
            first_order_at = least(old.first_order_at, excluded.first_order_at),
            last_order_at = greatest(old.last_order_at, excluded.last_order_at)
        RETURNING 1
    ), adding_sales AS (
        INSERT INTO hourly_sales AS old (hour, sku, currency, orders, units, revenue_minor)
        SELECT UNNEST($10::timestamptz[]), UNNEST($11::text[]), UNNEST($12::text[]),
               UNNEST($13::bigint[]), UNNEST($14::bigint[]), UNNEST($15::text[])::numeric
        ON CONFLICT (hour, sku, currency) DO UPDATE SET
            orders = old.orders + excluded.orders,
            units = old.units + excluded.units,
            revenue_minor = old.revenue_minor + excluded.revenue_minor
        RETURNING 1
    )
    INSERT INTO hourly_funnel AS old
        (hour, placed, confirmed, rejected, cancel_requested, cancelled)
    SELECT UNNEST($16::timestamptz[]), UNNEST($17::bigint[]), UNNEST($18::bigint[]),
           UNNEST($19::bigint[]), UNNEST($20::bigint[]), UNNEST($21::bigint[])
    WHERE (SELECT count(*) FROM adding_customers) + (SELECT count(*) FROM adding_sales) >= 0
    ON CONFLICT (hour) DO UPDATE SET
        placed = old.placed + excluded.placed,
        confirmed = old.confirmed + excluded.confirmed,
        rejected = old.rejected + excluded.rejected,
        cancel_requested = old.cancel_requested + excluded.cancel_requested,
        cancelled = old.cancelled + excluded.cancelled";

/// A thousand of the largest orders are more than a `bigint` holds: as text, for a `numeric`.
fn numeric(amount: i128) -> String {
    amount.to_string()
}

fn bind_customers<'q>(statement: Statement<'q>, totals: &'q Totals) -> Statement<'q> {
    let rows = &totals.customers;
    let column = |of: fn(&CustomerTotals) -> i64| rows.values().map(of).collect::<Vec<_>>();
    let revenue: Vec<_> = rows.values().map(|row| numeric(row.revenue_minor)).collect();
    statement
        .bind(rows.keys().map(|(customer, _)| customer.as_str()).collect::<Vec<_>>())
        .bind(rows.keys().map(|(_, currency)| currency.as_str()).collect::<Vec<_>>())
        .bind(column(|row| row.orders))
        .bind(column(|row| row.confirmed))
        .bind(column(|row| row.rejected))
        .bind(column(|row| row.cancelled))
        .bind(revenue)
        .bind(rows.values().map(|row| row.first_order_at.to_utc()).collect::<Vec<_>>())
        .bind(rows.values().map(|row| row.last_order_at.to_utc()).collect::<Vec<_>>())
}

fn bind_sales<'q>(statement: Statement<'q>, totals: &'q Totals) -> Statement<'q> {
    let rows = &totals.sales;
    let column = |of: fn(&Sales) -> i64| rows.values().map(of).collect::<Vec<_>>();
    let revenue: Vec<_> = rows.values().map(|row| numeric(row.revenue_minor)).collect();
    statement
        .bind(rows.keys().map(|(hour, _, _)| hour.to_utc()).collect::<Vec<_>>())
        .bind(rows.keys().map(|(_, sku, _)| sku.as_str()).collect::<Vec<_>>())
        .bind(rows.keys().map(|(_, _, currency)| currency.as_str()).collect::<Vec<_>>())
        .bind(column(|row| row.orders))
        .bind(column(|row| row.units))
        .bind(revenue)
}

fn bind_funnel<'q>(statement: Statement<'q>, totals: &'q Totals) -> Statement<'q> {
    let rows = &totals.funnel;
    let column = |of: fn(&Funnel) -> i64| rows.values().map(of).collect::<Vec<_>>();
    statement
        .bind(rows.keys().map(|hour| hour.to_utc()).collect::<Vec<_>>())
        .bind(column(|row| row.placed))
        .bind(column(|row| row.confirmed))
        .bind(column(|row| row.rejected))
        .bind(column(|row| row.cancel_requested))
        .bind(column(|row| row.cancelled))
}

/// What a cancellation took back altogether: the same rows remain, whether the sale was booked in
/// the same batch or long before.
async fn remove_empty_sales(conn: &mut PgConnection, totals: &Totals) -> Result<(), StoreError> {
    let taken_back = totals.sales.iter().filter(|(_, sales)| sales.orders < 0);
    let keys: Vec<_> = taken_back.map(|(key, _)| key).collect();
    if keys.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "DELETE FROM hourly_sales
         USING UNNEST($1::timestamptz[], $2::text[], $3::text[]) AS key (hour, sku, currency)
         WHERE hourly_sales.hour = key.hour AND hourly_sales.sku = key.sku
           AND hourly_sales.currency = key.currency AND hourly_sales.orders = 0",
    )
    .persistent(false)
    .bind(keys.iter().map(|(hour, _, _)| hour.to_utc()).collect::<Vec<_>>())
    .bind(keys.iter().map(|(_, sku, _)| sku.as_str()).collect::<Vec<_>>())
    .bind(keys.iter().map(|(_, _, currency)| currency.as_str()).collect::<Vec<_>>())
    .execute(conn)
    .await?;
    Ok(())
}
