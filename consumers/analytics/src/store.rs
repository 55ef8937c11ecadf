//! The SQL: a statement for a table, or for several that need no answer of one another. Decides nothing.
//!
//! A lookup is a subquery for each key, which can only go by the index, whatever the plan. What is
//! inserted is unnested in the select list: in FROM, Postgres would store every column before it reads
//! them side by side.

mod totals;

use events_schema::{Event, OrderId, Timestamp};
use runtime::{Batch, StoreError};
use sqlx::postgres::PgArguments;
use sqlx::query::Query;
use sqlx::types::chrono::{DateTime, Utc};
use sqlx::{PgConnection, Postgres};
use uuid::Uuid;

use crate::decide::{Changes, Line, Order, OrderKey, Placed, Product, State, Tracked, order_of};

macro_rules! select {
    ($locked:literal) => {
        concat!(
            "SELECT found.* FROM UNNEST($1::uuid[], $2::text[]) AS key (order_id, customer_id)
             CROSS JOIN LATERAL (
                 SELECT order_id, customer_id, currency, total_minor, units, placed_at,
                        cancel_requested_at, confirmed_at, rejected_at, cancelled_at
                 FROM orders
                 WHERE orders.order_id = key.order_id AND orders.customer_id = key.customer_id ",
            $locked,
            ") AS found"
        )
    };
}

/// The rows of the batch's orders, locked in the order of their keys, with the lines of those whose sales may change.
///
/// # Errors
/// What the database answered.
pub(crate) async fn load(conn: &mut PgConnection, batch: &Batch<'_>) -> Result<State, StoreError> {
    read(conn, batch, select!("FOR NO KEY UPDATE")).await
}

/// The same rows. Locks nothing.
///
/// # Errors
/// What the database answered.
pub(crate) async fn look(conn: &mut PgConnection, batch: &Batch<'_>) -> Result<State, StoreError> {
    read(conn, batch, select!("OFFSET 0")).await
}

async fn read(
    conn: &mut PgConnection,
    batch: &Batch<'_>,
    orders: &'static str,
) -> Result<State, StoreError> {
    let mut keys: Vec<OrderKey> = batch.records.iter().filter_map(|r| order_of(&r.event)).collect();
    keys.sort_unstable();
    keys.dedup();
    let mut state = State::default();
    if keys.is_empty() {
        return Ok(state);
    }
    load_orders(conn, orders, &keys, &mut state).await?;
    load_lines(conn, sales_may_change(batch, &state), &mut state).await?;
    Ok(state)
}

/// Writes what the batch changed. The rows that every worker wants come last, so that they are
/// locked for the shortest time.
///
/// # Errors
/// What the database answered.
pub(crate) async fn save(conn: &mut PgConnection, changes: &Changes) -> Result<(), StoreError> {
    save_products(conn, changes).await?;
    insert(conn, changes).await?;
    update(conn, changes).await?;
    totals::save(conn, &changes.totals).await
}

type Statement<'q> = Query<'q, Postgres, PgArguments>;

#[derive(sqlx::FromRow)]
struct OrderRow {
    order_id: Uuid,
    customer_id: String,
    currency: Option<String>,
    total_minor: Option<i64>,
    units: Option<i64>,
    placed_at: Option<DateTime<Utc>>,
    cancel_requested_at: Option<DateTime<Utc>>,
    confirmed_at: Option<DateTime<Utc>>,
    rejected_at: Option<DateTime<Utc>>,
    cancelled_at: Option<DateTime<Utc>>,
}

async fn load_orders(
    conn: &mut PgConnection,
    select: &'static str,
    keys: &[OrderKey],
    state: &mut State,
) -> Result<(), StoreError> {
    let rows: Vec<OrderRow> = sqlx::query_as(select)
        .bind(keys.iter().map(|key| key.order_id.uuid()).collect::<Vec<_>>())
        .bind(keys.iter().map(|key| key.customer_id.as_str()).collect::<Vec<_>>())
        .fetch_all(conn)
        .await?;
    for row in rows {
        let (key, order) = row.parse()?;
        state.orders.insert(key, order);
    }
    Ok(())
}

impl OrderRow {
    fn parse(self) -> Result<(OrderKey, Order), StoreError> {
        let order_id = OrderId::from(self.order_id);
        let key = OrderKey { order_id, customer_id: parsed(&self.customer_id)? };
        let placed = match (self.placed_at, self.currency, self.total_minor, self.units) {
            (Some(at), Some(currency), Some(total_minor), Some(units)) => {
                let (at, currency) = (at.into(), parsed(&currency)?);
                Some(Placed { at, currency, total_minor, units, lines: vec![] })
            }
            _ => None,
        };
        let order = Order {
            placed,
            cancel_requested_at: self.cancel_requested_at.map(Timestamp::from),
            confirmed_at: self.confirmed_at.map(Timestamp::from),
            rejected_at: self.rejected_at.map(Timestamp::from),
            cancelled_at: self.cancelled_at.map(Timestamp::from),
        };
        Ok((key, order))
    }
}

/// A value that we wrote and can no longer read is a defect of ours.
fn parsed<T: std::str::FromStr>(text: &str) -> Result<T, StoreError>
where
    T::Err: std::error::Error + Send + Sync + 'static,
{
    text.parse().map_err(|error: T::Err| sqlx::Error::Decode(error.into()).into())
}

/// Placed orders that the batch confirms or cancels.
fn sales_may_change(batch: &Batch<'_>, state: &State) -> Vec<Uuid> {
    let books =
        |event: &Event| matches!(event, Event::OrderConfirmed(_) | Event::OrderCancelled(_));
    let events = batch.records.iter().map(|record| &*record.event).filter(|event| books(event));
    let keys = events.filter_map(order_of);
    let placed = |key: &OrderKey| state.orders.get(key).is_some_and(|o| o.placed.is_some());
    keys.filter(placed).map(|key| key.order_id.uuid()).collect()
}

async fn load_lines(
    conn: &mut PgConnection,
    orders: Vec<Uuid>,
    state: &mut State,
) -> Result<(), StoreError> {
    if orders.is_empty() {
        return Ok(());
    }
    let rows: Vec<(Uuid, String, i32, i64)> = sqlx::query_as(
        "SELECT order_id, sku, quantity, unit_price_minor
         FROM order_lines WHERE order_id = ANY ($1) ORDER BY order_id, line",
    )
    .bind(orders)
    .fetch_all(conn)
    .await?;
    let mut placed: std::collections::HashMap<Uuid, &mut Placed> = state
        .orders
        .iter_mut()
        .filter_map(|(key, order)| Some((key.order_id.uuid(), order.placed.as_mut()?)))
        .collect();
    for (order_id, sku, quantity, unit_price_minor) in rows {
        if let Some(placed) = placed.get_mut(&order_id) {
            placed.lines.push(Line { sku: parsed(&sku)?, quantity, unit_price_minor });
        }
    }
    Ok(())
}

async fn save_products(conn: &mut PgConnection, changes: &Changes) -> Result<(), StoreError> {
    let products = &changes.products;
    if products.is_empty() {
        return Ok(());
    }
    let values = |of: fn(&Product) -> &str| products.values().map(of).collect::<Vec<_>>();
    sqlx::query(
        "INSERT INTO products (sku, name, department)
         SELECT * FROM UNNEST($1::text[], $2::text[], $3::text[])
         ON CONFLICT (sku) DO UPDATE SET name = excluded.name, department = excluded.department
         WHERE (products.name, products.department) <> (excluded.name, excluded.department)",
    )
    .bind(products.keys().map(|sku| sku.as_str()).collect::<Vec<_>>())
    .bind(values(|product| product.name.as_str()))
    .bind(values(|product| product.department.as_str()))
    .execute(conn)
    .await?;
    Ok(())
}

/// No `ON CONFLICT`: were another worker to write the same new order, its share in the totals
/// would have been counted from nothing twice. The batch is refused, and loads that row next time.
const INSERT: &str = "
    WITH inserting_orders AS (
        INSERT INTO orders (order_id, customer_id, currency, total_minor, units, placed_at,
                            cancel_requested_at, confirmed_at, rejected_at, cancelled_at)
        SELECT UNNEST($1::uuid[]), UNNEST($2::text[]), UNNEST($3::text[]), UNNEST($4::bigint[]),
               UNNEST($5::bigint[]), UNNEST($6::timestamptz[]), UNNEST($7::timestamptz[]),
               UNNEST($8::timestamptz[]), UNNEST($9::timestamptz[]), UNNEST($10::timestamptz[])
    )
    INSERT INTO order_lines (order_id, line, sku, quantity, unit_price_minor)
    SELECT UNNEST($11::uuid[]), UNNEST($12::int[]), UNNEST($13::text[]), UNNEST($14::int[]),
           UNNEST($15::bigint[])";

const UPDATE_ORDERS: &str = "
    UPDATE orders SET
        currency = new.currency, total_minor = new.total_minor, units = new.units,
        placed_at = new.placed_at, cancel_requested_at = new.cancel_requested_at,
        confirmed_at = new.confirmed_at, rejected_at = new.rejected_at,
        cancelled_at = new.cancelled_at
    FROM UNNEST($1::uuid[], $2::text[], $3::text[], $4::bigint[], $5::bigint[],
        $6::timestamptz[], $7::timestamptz[], $8::timestamptz[], $9::timestamptz[],
        $10::timestamptz[])
        AS new (order_id, customer_id, currency, total_minor, units, placed_at,
                cancel_requested_at, confirmed_at, rejected_at, cancelled_at)
    WHERE (orders.order_id, orders.customer_id) = (new.order_id, new.customer_id)";

/// The orders that are new, and the lines of those that were placed now.
async fn insert(conn: &mut PgConnection, changes: &Changes) -> Result<(), StoreError> {
    let (orders, lines) = (orders(changes, |tracked| !tracked.is_stored), lines(changes));
    if !orders.is_empty() || !lines.is_empty() {
        bind_lines(bind_orders(sqlx::query(INSERT), &orders), &lines).execute(conn).await?;
    }
    Ok(())
}

/// Its best plan hangs on the size of the table: it is made for this time only.
async fn update(conn: &mut PgConnection, changes: &Changes) -> Result<(), StoreError> {
    let orders = orders(changes, |tracked| tracked.is_stored);
    if !orders.is_empty() {
        let statement = sqlx::query(UPDATE_ORDERS).persistent(false);
        bind_orders(statement, &orders).execute(conn).await?;
    }
    Ok(())
}

fn orders(changes: &Changes, wanted: fn(&Tracked) -> bool) -> Vec<(&OrderKey, &Order)> {
    let rows = changes.orders.iter().filter(|(_, tracked)| wanted(tracked));
    rows.map(|(key, tracked)| (key, &tracked.order)).collect()
}

fn bind_orders<'q>(statement: Statement<'q>, rows: &[(&'q OrderKey, &'q Order)]) -> Statement<'q> {
    let placed = || rows.iter().map(|(_, order)| order.placed.as_ref());
    let times = |of: fn(&Order) -> Option<Timestamp>| {
        rows.iter().map(|(_, order)| of(order).map(Timestamp::to_utc)).collect::<Vec<_>>()
    };
    statement
        .bind(rows.iter().map(|(key, _)| key.order_id.uuid()).collect::<Vec<_>>())
        .bind(rows.iter().map(|(key, _)| key.customer_id.as_str()).collect::<Vec<_>>())
        .bind(placed().map(|p| p.map(|p| p.currency.as_str())).collect::<Vec<_>>())
        .bind(placed().map(|p| p.map(|p| p.total_minor)).collect::<Vec<_>>())
        .bind(placed().map(|p| p.map(|p| p.units)).collect::<Vec<_>>())
        .bind(times(|order| order.placed.as_ref().map(|p| p.at)))
        .bind(times(|order| order.cancel_requested_at))
        .bind(times(|order| order.confirmed_at))
        .bind(times(|order| order.rejected_at))
        .bind(times(|order| order.cancelled_at))
}

/// Each with its order and its number.
fn lines(changes: &Changes) -> Vec<(Uuid, i32, &Line)> {
    let placed = changes.orders.iter().filter(|(_, tracked)| tracked.is_placed_now);
    placed
        .filter_map(|(key, tracked)| Some((key.order_id.uuid(), tracked.order.placed.as_ref()?)))
        .flat_map(|(id, placed)| (0..).zip(&placed.lines).map(move |(n, line)| (id, n, line)))
        .collect()
}

fn bind_lines<'q>(statement: Statement<'q>, lines: &[(Uuid, i32, &'q Line)]) -> Statement<'q> {
    statement
        .bind(lines.iter().map(|(id, _, _)| *id).collect::<Vec<_>>())
        .bind(lines.iter().map(|(_, number, _)| *number).collect::<Vec<_>>())
        .bind(lines.iter().map(|(_, _, line)| line.sku.as_str()).collect::<Vec<_>>())
        .bind(lines.iter().map(|(_, _, line)| line.quantity).collect::<Vec<_>>())
        .bind(lines.iter().map(|(_, _, line)| line.unit_price_minor).collect::<Vec<_>>())
}
