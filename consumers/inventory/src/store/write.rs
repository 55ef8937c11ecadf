//! Writes what was decided: one statement per table. Knows no rule of the domain.

use events_schema::{OrderLine, ProductUpserted, StockReceived};
use runtime::StoreError;
use sqlx::PgConnection;
use sqlx::types::Json;

use super::refusals;
use crate::decide::{Change, Refused};
use crate::metrics;
use crate::order::Order;

type Written = Result<(), StoreError>;

/// Writes the changes.
pub(crate) async fn save(conn: &mut PgConnection, changes: &[Change]) -> Written {
    let mut sorted = Sorted::default();
    for change in changes {
        sorted.add(change);
    }
    sorted.orders.sort_by_key(|(order, _)| order.order_id);
    orders(conn, &sorted.orders).await?;
    lines(conn, &sorted.orders).await?;
    receipts(conn, &sorted.receipts).await?;
    refusals::save(conn, &sorted.refused).await?;
    products(conn, &sorted.products).await?;
    delisted(conn, &sorted.delisted).await?;
    conflicts(conn, &sorted.conflicts).await?;
    stock(conn, &sorted.stock).await
}

/// Changes by table.
#[derive(Default)]
struct Sorted<'a> {
    orders: Vec<(&'a Order, &'a [OrderLine])>,
    stock: Vec<(&'a str, i64)>,
    /// Each with what it added to the shelf.
    receipts: Vec<(&'a StockReceived, i32)>,
    refused: Vec<&'a Refused>,
    products: Vec<&'a ProductUpserted>,
    delisted: Vec<&'a str>,
    conflicts: Vec<&'a Change>,
}

impl<'a> Sorted<'a> {
    fn add(&mut self, change: &'a Change) {
        match change {
            Change::Order { order, lines } => self.orders.push((order, lines)),
            Change::Stock { sku, delta } => self.stock.push((sku.as_str(), *delta)),
            Change::Receipt(receipt) => self.receipts.push((receipt, receipt.delta.get())),
            Change::Refused(refused) => {
                self.receipts.push((&refused.event, 0));
                self.refused.push(refused);
            }
            Change::Product(product) => self.products.push(product),
            Change::Delisted(sku) => self.delisted.push(sku.as_str()),
            Change::Conflict { .. } => self.conflicts.push(change),
        }
    }
}

/// One column of many rows, as an array.
pub(super) fn column<T, V>(rows: &[T], value: impl FnMut(&T) -> V) -> Vec<V> {
    rows.iter().map(value).collect()
}

/// A row that somebody else's cancellation made, a moment ago and in another partition, gives way
/// to the order itself. The other way round the order stays.
async fn orders(conn: &mut PgConnection, rows: &[(&Order, &[OrderLine])]) -> Written {
    if rows.is_empty() {
        return Ok(());
    }
    let placed = |(order, _): &(&Order, _)| order.placed;
    sqlx::query(
        "INSERT INTO orders (order_id, customer_id, status, currency, total_minor, fingerprint,
                             placed_at, decided_at, cancelled_at, shortages, source_partition,
                             source_offset)
         SELECT unnest($1::uuid[]), unnest($2::text[]), unnest($3::text[]), unnest($4::text[]),
                unnest($5::bigint[]), unnest($6::bigint[]), unnest($7::timestamptz[]),
                unnest($8::timestamptz[]), unnest($9::timestamptz[]), unnest($10::jsonb[]),
                unnest($11::integer[]), unnest($12::bigint[])
         ON CONFLICT (order_id) DO UPDATE SET
             customer_id = excluded.customer_id, status = excluded.status,
             currency = excluded.currency, total_minor = excluded.total_minor,
             fingerprint = excluded.fingerprint, placed_at = excluded.placed_at,
             decided_at = excluded.decided_at, cancelled_at = excluded.cancelled_at,
             shortages = excluded.shortages, source_partition = excluded.source_partition,
             source_offset = excluded.source_offset
         WHERE orders.customer_id = excluded.customer_id
            OR (orders.decided_at IS NULL AND excluded.decided_at IS NOT NULL)",
    )
    .bind(column(rows, |(order, _)| order.order_id.uuid()))
    .bind(column(rows, |(order, _)| order.customer_id.as_str()))
    .bind(column(rows, |(order, _)| order.status.as_str()))
    .bind(column(rows, |row| placed(row).map(|placed| placed.currency.as_str().to_owned())))
    .bind(column(rows, |row| placed(row).map(|placed| placed.total.get())))
    .bind(column(rows, |row| placed(row).map(|placed| placed.fingerprint)))
    .bind(column(rows, |row| placed(row).map(|placed| placed.at.to_utc())))
    .bind(column(rows, |(order, _)| order.decided_at.map(|at| at.to_utc())))
    .bind(column(rows, |(order, _)| order.cancelled_at.map(|at| at.to_utc())))
    .bind(column(rows, |(order, _)| Json(&order.shortages)))
    .bind(column(rows, |(order, _)| order.made_by.partition))
    .bind(column(rows, |(order, _)| order.made_by.offset))
    .execute(conn)
    .await?;
    rows.iter().for_each(|(order, _)| metrics::order(order.status));
    Ok(())
}

async fn lines<'a>(conn: &mut PgConnection, orders: &[(&'a Order, &'a [OrderLine])]) -> Written {
    let of = |(order, lines): &(&'a Order, &'a [OrderLine])| {
        let id = order.order_id.uuid();
        (0_i32..).zip(*lines).map(move |(number, line)| (id, number, line))
    };
    let rows: Vec<_> = orders.iter().flat_map(of).collect();
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO order_lines (order_id, line, sku, quantity, unit_price_minor)
         SELECT unnest($1::uuid[]), unnest($2::integer[]), unnest($3::text[]),
                unnest($4::integer[]), unnest($5::bigint[])",
    )
    .bind(column(&rows, |(order, _, _)| *order))
    .bind(column(&rows, |(_, number, _)| *number))
    .bind(column(&rows, |(_, _, line)| line.sku.as_str()))
    .bind(column(&rows, |(_, _, line)| line.quantity.get()))
    .bind(column(&rows, |(_, _, line)| line.unit_price_minor.get()))
    .execute(conn)
    .await?;
    Ok(())
}

/// Locks the rows in the order of their SKUs and moves what is there now. The table lets none fall below
/// zero, and none did by what was read: where one would, another batch came in between.
async fn stock(conn: &mut PgConnection, rows: &[(&str, i64)]) -> Written {
    if rows.is_empty() {
        return Ok(());
    }
    let moved = sqlx::query(
        "WITH moved AS MATERIALIZED (
             SELECT sku, delta
             FROM stock JOIN unnest($1::text[], $2::bigint[]) AS moved (sku, delta) USING (sku)
             ORDER BY sku FOR NO KEY UPDATE OF stock)
         UPDATE stock SET available = available + moved.delta
         FROM moved WHERE stock.sku = moved.sku",
    )
    // Not kept, as its best plan hangs on the size of the table.
    .persistent(false)
    .bind(column(rows, |(sku, _)| *sku))
    .bind(column(rows, |(_, delta)| *delta))
    .execute(conn)
    .await;
    let is_short = |error: &sqlx::Error| {
        error.as_database_error().is_some_and(|error| error.is_check_violation())
    };
    match moved {
        Err(error) if is_short(&error) => Err(StoreError::Overtaken),
        moved => Ok(moved.map(drop)?),
    }
}

async fn receipts(conn: &mut PgConnection, rows: &[(&StockReceived, i32)]) -> Written {
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO stock_receipts (event_id, sku, delta, received_at)
         SELECT * FROM unnest($1::uuid[], $2::text[], $3::integer[], $4::timestamptz[])",
    )
    .bind(column(rows, |(receipt, _)| receipt.event_id.uuid()))
    .bind(column(rows, |(receipt, _)| receipt.sku.as_str()))
    .bind(column(rows, |(_, delta)| *delta))
    .bind(column(rows, |(receipt, _)| receipt.received_at.to_utc()))
    .execute(conn)
    .await?;
    Ok(())
}

async fn products(conn: &mut PgConnection, rows: &[&ProductUpserted]) -> Written {
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO products (sku, name, department, price_minor, currency, updated_at)
         SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::text[],
                              $6::timestamptz[])
         ON CONFLICT (sku) DO UPDATE SET
             name = excluded.name, department = excluded.department,
             price_minor = excluded.price_minor, currency = excluded.currency,
             updated_at = excluded.updated_at",
    )
    .bind(column(rows, |product| product.sku.as_str()))
    .bind(column(rows, |product| product.name.as_str()))
    .bind(column(rows, |product| product.department.as_str()))
    .bind(column(rows, |product| product.price_minor.get()))
    .bind(column(rows, |product| product.currency.as_str()))
    .bind(column(rows, |product| product.updated_at.to_utc()))
    .execute(conn)
    .await?;
    Ok(())
}

/// What is in stock stays, and so does what was ordered.
async fn delisted(conn: &mut PgConnection, skus: &[&str]) -> Written {
    if !skus.is_empty() {
        let delete = sqlx::query("DELETE FROM products WHERE sku = ANY ($1)");
        delete.bind(skus).execute(conn).await?;
    }
    Ok(())
}

/// A record that is delivered again finds its row.
async fn conflicts(conn: &mut PgConnection, rows: &[&Change]) -> Written {
    let fields = |change: &&Change| match change {
        Change::Conflict { place, order_id, cause, at } => {
            Some((place.partition, place.offset, order_id.uuid(), *cause, at.to_utc()))
        }
        _ => None,
    };
    let rows: Vec<_> = rows.iter().filter_map(fields).collect();
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO conflicts (source_partition, source_offset, order_id, cause, recorded_at)
         SELECT * FROM unnest($1::integer[], $2::bigint[], $3::uuid[], $4::text[],
                              $5::timestamptz[])
         ON CONFLICT DO NOTHING",
    )
    .bind(column(&rows, |row| row.0))
    .bind(column(&rows, |row| row.1))
    .bind(column(&rows, |row| row.2))
    .bind(column(&rows, |row| row.3))
    .bind(column(&rows, |row| row.4))
    .execute(conn)
    .await?;
    metrics::conflicts(rows.len());
    Ok(())
}
