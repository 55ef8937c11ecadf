//! Keeps what was refused where its sender can see it, and no more of it than the bounds allow.
//! Decides nothing.

use runtime::StoreError;
use sqlx::PgConnection;

use super::write::column;
use crate::decide::Refused;
use crate::metrics;

/// The newest of each SKU.
const PER_SKU: i64 = 100;
/// The newest of all. Whoever asks for much of what is refused pushes out what is older.
const TOTAL: i64 = 10_000;

/// Writes the rows, and takes away what is too much with them: one statement each.
pub(super) async fn save(conn: &mut PgConnection, rows: &[&Refused]) -> Result<(), StoreError> {
    if rows.is_empty() {
        return Ok(());
    }
    insert(conn, rows).await?;
    prune_skus(conn, rows).await?;
    prune_all(conn).await?;
    metrics::refusals(rows.len());
    Ok(())
}

async fn insert(conn: &mut PgConnection, rows: &[&Refused]) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO stock_refusals (event_id, sku, delta, available, cause, source_partition,
                                     source_offset, received_at, recorded_at)
         SELECT * FROM unnest($1::uuid[], $2::text[], $3::integer[], $4::bigint[], $5::text[],
                              $6::integer[], $7::bigint[], $8::timestamptz[], $9::timestamptz[])
         ON CONFLICT (event_id) DO NOTHING",
    )
    .bind(column(rows, |row| row.event.event_id.uuid()))
    .bind(column(rows, |row| row.event.sku.to_string()))
    .bind(column(rows, |row| row.event.delta.get()))
    .bind(column(rows, |row| row.available))
    .bind(column(rows, |row| row.cause))
    .bind(column(rows, |row| row.place.partition))
    .bind(column(rows, |row| row.place.offset))
    .bind(column(rows, |row| row.event.received_at.to_utc()))
    .bind(column(rows, |row| row.at.to_utc()))
    .execute(conn)
    .await?;
    Ok(())
}

/// A SKU's stock is in one partition: no other worker is at these rows, except to prune all.
async fn prune_skus(conn: &mut PgConnection, rows: &[&Refused]) -> Result<(), StoreError> {
    let mut skus = column(rows, |row| row.event.sku.as_str());
    skus.sort_unstable();
    skus.dedup();
    sqlx::query(
        "DELETE FROM stock_refusals WHERE id IN (
             SELECT old.id FROM unnest($1::text[]) AS batch (sku)
             CROSS JOIN LATERAL (
                 SELECT id FROM stock_refusals AS kept WHERE kept.sku = batch.sku
                 ORDER BY id DESC OFFSET $2) AS too_many
             JOIN stock_refusals AS old ON old.id = too_many.id
             ORDER BY old.id FOR UPDATE OF old SKIP LOCKED)",
    )
    .persistent(false)
    .bind(&skus)
    .bind(PER_SKU)
    .execute(conn)
    .await?;
    Ok(())
}

/// Two workers may prune at once: neither waits for the other, and one of them takes a row away.
async fn prune_all(conn: &mut PgConnection) -> Result<(), StoreError> {
    sqlx::query(
        "DELETE FROM stock_refusals WHERE id IN (
             SELECT id FROM stock_refusals WHERE id <= (
                 SELECT id FROM stock_refusals ORDER BY id DESC OFFSET $1 LIMIT 1)
             ORDER BY id FOR UPDATE SKIP LOCKED)",
    )
    .persistent(false)
    .bind(TOTAL)
    .execute(conn)
    .await?;
    Ok(())
}
