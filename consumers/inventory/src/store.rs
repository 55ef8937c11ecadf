//! Reads and writes inventory's tables: one statement per table and batch. Decides nothing.
//!
//! Rows are locked in one order by every worker, so that no two wait for each other: those of `orders` by
//! id, and last those of `stock` by SKU, which every worker wants. A batch is decided by what it reads of
//! them without a lock; where another one takes meanwhile what this one gives away, it is decided anew.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use events_schema::{Event, EventId, OrderId, Sku, StockLine};
use runtime::{Batch, StoreError};
use sqlx::{PgConnection, Row};
use uuid::Uuid;

use crate::decide::{self, State};
use crate::order::Order;

mod refusals;
mod row;
mod write;

pub(crate) use write::save;

/// What the batch is about, with a shelf for what comes in.
pub(crate) async fn load(conn: &mut PgConnection, batch: &Batch<'_>) -> Result<State, StoreError> {
    open_shelves(conn, batch).await?;
    look(conn, batch).await
}

/// What the batch is about. Locks nothing.
pub(crate) async fn look(conn: &mut PgConnection, batch: &Batch<'_>) -> Result<State, StoreError> {
    let orders = orders(conn, batch).await?;
    let reserved = reserved(conn, &decide::releasable(&orders, batch)).await?;
    let receipts = receipts(conn, batch).await?;
    let available = stock(conn, &decide::touched(&orders, &reserved, batch)).await?;
    Ok(State { orders, reserved, available, receipts })
}

async fn orders(
    conn: &mut PgConnection,
    batch: &Batch<'_>,
) -> Result<HashMap<OrderId, Order>, StoreError> {
    let ids = batch.records.iter().filter_map(|record| record.event.order_id());
    let ids: BTreeSet<Uuid> = ids.map(OrderId::uuid).collect();
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let rows = sqlx::query(
        "SELECT order_id, customer_id, status, currency, total_minor, fingerprint, placed_at,
                decided_at, cancelled_at, shortages, source_partition, source_offset
         FROM orders WHERE order_id = ANY($1)",
    )
    .bind(Vec::from_iter(ids))
    .fetch_all(conn)
    .await?;
    let orders = rows.iter().map(row::order);
    Ok(orders.map(|o| o.map(|o| (o.order_id, o))).collect::<Result<_, sqlx::Error>>()?)
}

async fn reserved(
    conn: &mut PgConnection,
    orders: &[OrderId],
) -> Result<HashMap<OrderId, Vec<StockLine>>, StoreError> {
    let mut reserved = HashMap::<OrderId, Vec<StockLine>>::new();
    if orders.is_empty() {
        return Ok(reserved);
    }
    let rows = sqlx::query(
        "SELECT order_id, sku, sum(quantity)::integer AS quantity FROM order_lines
         WHERE order_id = ANY($1) GROUP BY order_id, sku ORDER BY order_id, sku COLLATE \"C\"",
    )
    .bind(orders.iter().map(|order| order.uuid()).collect::<Vec<_>>())
    .fetch_all(conn)
    .await?;
    for row in rows {
        let order = OrderId::from(row.try_get::<Uuid, _>("order_id")?);
        let sku = row::parsed(&row, "sku")?;
        reserved
            .entry(order)
            .or_default()
            .push(StockLine { sku, quantity: row.try_get("quantity")? });
    }
    Ok(reserved)
}

async fn receipts(
    conn: &mut PgConnection,
    batch: &Batch<'_>,
) -> Result<HashSet<EventId>, StoreError> {
    let ids: Vec<Uuid> = stock_records(batch).map(|event| event.event_id.uuid()).collect();
    if ids.is_empty() {
        return Ok(HashSet::new());
    }
    let known = sqlx::query_scalar("SELECT event_id FROM stock_receipts WHERE event_id = ANY($1)")
        .bind(ids)
        .fetch_all(conn)
        .await?;
    Ok(known.into_iter().map(|id: Uuid| EventId::from(id)).collect())
}

fn stock_records<'a>(
    batch: &'a Batch<'_>,
) -> impl Iterator<Item = &'a events_schema::StockReceived> {
    batch.records.iter().filter_map(|record| match &*record.event {
        Event::StockReceived(event) => Some(event),
        _ => None,
    })
}

/// Gives every SKU that receives stock a row before rows are locked. A row that were inserted only
/// when the batch is saved would be locked out of order, and two workers could wait for each other.
/// Only what comes in makes a row: a write-off of nothing is going to be refused.
async fn open_shelves(conn: &mut PgConnection, batch: &Batch<'_>) -> Result<(), StoreError> {
    let incoming = stock_records(batch).filter(|event| event.delta.get() > 0);
    let skus: BTreeSet<&str> = incoming.map(|event| event.sku.as_str()).collect();
    if skus.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO stock (sku, available) SELECT sku, 0 FROM unnest($1::text[]) AS new (sku)
         ON CONFLICT DO NOTHING",
    )
    .bind(Vec::from_iter(skus))
    .execute(conn)
    .await?;
    Ok(())
}

async fn stock(
    conn: &mut PgConnection,
    skus: &BTreeSet<Sku>,
) -> Result<BTreeMap<Sku, i64>, StoreError> {
    if skus.is_empty() {
        return Ok(BTreeMap::new());
    }
    let select = sqlx::query("SELECT sku, available FROM stock WHERE sku = ANY($1)")
        .bind(skus.iter().map(Sku::as_str).collect::<Vec<_>>());
    let rows = select.fetch_all(conn).await?;
    let pair = |row| Ok((row::parsed(row, "sku")?, row.try_get("available")?));
    Ok(rows.iter().map(pair).collect::<Result<_, sqlx::Error>>()?)
}
