//! The SQL: one statement per table. Decides nothing.

mod totals;

use events_schema::{Event, OrderId, Timestamp};
use runtime::{Batch, StoreError};
use sqlx::PgConnection;
use sqlx::types::chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::decide::{Changes, Line, Order, OrderKey, Placed, Product, State, Tracked, order_of};

macro_rules! select {
    ($locked:literal) => {
        concat!(
            "SELECT order_id, customer_id, currency, total_minor, units, placed_at,
                    cancel_requested_at, confirmed_at, rejected_at, cancelled_at
             FROM orders
             JOIN UNNEST($1::uuid[], $2::text[]) AS key (order_id, customer_id)
             USING (order_id, customer_id)
             ORDER BY order_id, customer_id ",
            $locked
        )
    };
}

/// The rows of the batch's orders, locked, with the lines of those whose sales may change.
///
/// # Errors
/// What the database answered.
pub(crate) async fn load(conn: &mut PgConnection, batch: &Batch<'_>) -> Result<State, StoreError> {
    read(conn, batch, select!("FOR NO KEY UPDATE OF orders")).await
}

/// The same rows. Locks nothing.
///
/// # Errors
/// What the database answered.
pub(crate) async fn look(conn: &mut PgConnection, batch: &Batch<'_>) -> Result<State, StoreError> {
    read(conn, batch, select!("")).await
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
    insert_orders(conn, changes).await?;
    update_orders(conn, changes).await?;
    insert_lines(conn, changes).await?;
    totals::save(conn, &changes.totals).await
}

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
const INSERT_ORDERS: &str = "
    INSERT INTO orders (order_id, customer_id, currency, total_minor, units, placed_at,
                        cancel_requested_at, confirmed_at, rejected_at, cancelled_at)
    SELECT * FROM UNNEST($1::uuid[], $2::text[], $3::text[], $4::bigint[], $5::bigint[],
        $6::timestamptz[], $7::timestamptz[], $8::timestamptz[], $9::timestamptz[],
        $10::timestamptz[])";

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

async fn insert_orders(conn: &mut PgConnection, changes: &Changes) -> Result<(), StoreError> {
    write_orders(conn, INSERT_ORDERS, orders(changes, |tracked| !tracked.is_stored)).await
}

async fn update_orders(conn: &mut PgConnection, changes: &Changes) -> Result<(), StoreError> {
    write_orders(conn, UPDATE_ORDERS, orders(changes, |tracked| tracked.is_stored)).await
}

fn orders(changes: &Changes, wanted: fn(&Tracked) -> bool) -> Vec<(&OrderKey, &Order)> {
    let rows = changes.orders.iter().filter(|(_, tracked)| wanted(tracked));
    rows.map(|(key, tracked)| (key, &tracked.order)).collect()
}

async fn write_orders(
    conn: &mut PgConnection,
    statement: &'static str,
    rows: Vec<(&OrderKey, &Order)>,
) -> Result<(), StoreError> {
    if rows.is_empty() {
        return Ok(());
    }
    let placed = || rows.iter().map(|(_, order)| order.placed.as_ref());
    let times = |of: fn(&Order) -> Option<Timestamp>| {
        rows.iter().map(|(_, order)| of(order).map(Timestamp::to_utc)).collect::<Vec<_>>()
    };
    sqlx::query(statement)
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
        .execute(conn)
        .await?;
    Ok(())
}

async fn insert_lines(conn: &mut PgConnection, changes: &Changes) -> Result<(), StoreError> {
    let placed = changes.orders.iter().filter(|(_, tracked)| tracked.is_placed_now);
    let lines: Vec<(Uuid, i32, &Line)> = placed
        .filter_map(|(key, tracked)| Some((key.order_id.uuid(), tracked.order.placed.as_ref()?)))
        .flat_map(|(id, placed)| (0..).zip(&placed.lines).map(move |(n, line)| (id, n, line)))
        .collect();
    if lines.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO order_lines (order_id, line, sku, quantity, unit_price_minor)
         SELECT * FROM UNNEST($1::uuid[], $2::int[], $3::text[], $4::int[], $5::bigint[])",
    )
    .bind(lines.iter().map(|(id, _, _)| *id).collect::<Vec<_>>())
    .bind(lines.iter().map(|(_, number, _)| *number).collect::<Vec<_>>())
    .bind(lines.iter().map(|(_, _, line)| line.sku.as_str()).collect::<Vec<_>>())
    .bind(lines.iter().map(|(_, _, line)| line.quantity).collect::<Vec<_>>())
    .bind(lines.iter().map(|(_, _, line)| line.unit_price_minor).collect::<Vec<_>>())
    .execute(conn)
    .await?;
    Ok(())
}
