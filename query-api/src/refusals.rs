//! What was refused of a SKU's stock as clients see it, and the query that reads it. Knows no HTTP.

use chrono::{DateTime, Utc};
use events_schema::Sku;
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::database::Reading;
use crate::snapshot::{self, Snapshot, snapshot_of};

/// A stock record that changed nothing.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = StockRefusal)]
pub(crate) struct RefusalView {
    #[serde(skip_serializing)]
    #[schema(ignore)]
    pub(crate) id: i64,
    /// Of the record; the same for a repetition under the same Idempotency-Key.
    event_id: Uuid,
    /// Where the record stands in the log, as the `Order-Position` of its first `202` said it.
    #[schema(example = "stock:3@42")]
    position: String,
    /// What was asked for.
    #[schema(example = -5)]
    delta: i32,
    /// Units that were there at that moment.
    #[schema(example = 2)]
    available: i64,
    /// `stock-below-zero`: more would leave the shelf than there is. `stock-beyond-range`: more
    /// would be on it than can be counted.
    #[schema(example = "stock-below-zero")]
    cause: String,
    /// When it was refused.
    refused_at: DateTime<Utc>,
}

/// Which part of them.
#[derive(Debug, Clone)]
pub(crate) struct Page {
    pub(crate) sku: Sku,
    /// Refused before this one; from the newest without.
    pub(crate) before: Option<i64>,
    pub(crate) rows_max: i64,
}

/// A page of what was refused of a SKU, the newest first.
pub(crate) fn page<'c>(
    conn: &'c mut PgConnection,
    page: &Page,
) -> Reading<'c, Snapshot<RefusalView>> {
    let query = sqlx::query_as(snapshot_of!(
        "SELECT id, event_id, format('stock:%s@%s', source_partition, source_offset) AS position,
                delta, available, cause, recorded_at AS refused_at
         FROM stock_refusals WHERE sku = $1 AND id < $2 ORDER BY id DESC LIMIT $3"
    ));
    let before = page.before.unwrap_or(i64::MAX);
    snapshot::read(query.bind(page.sku.to_string()).bind(before).bind(page.rows_max), conn)
}
