//! An order as clients see it, and the query that reads it. Knows no HTTP.

use chrono::{DateTime, Utc};
use events_schema::{OrderId, Topic};
use futures::FutureExt;
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use sqlx::types::Json;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::database::Reading;
use crate::position::Position;

/// What became of an order.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Order)]
pub(crate) struct OrderView {
    order_id: Uuid,
    #[schema(example = "household-1")]
    customer_id: String,
    /// `confirmed`: every line is reserved. `rejected`: see `shortages`. `cancelled`: nothing is
    /// reserved any more.
    #[schema(example = "confirmed")]
    status: String,
    /// As they were ordered; empty where only a cancellation of the order was seen.
    lines: Vec<LineView>,
    /// Sum over the lines, in minor units of the currency.
    #[schema(example = 1299)]
    total_minor: Option<i64>,
    /// ISO 4217.
    #[schema(example = "USD")]
    currency: Option<String>,
    /// Every SKU that was short, of a rejected order.
    shortages: Vec<ShortageView>,
    placed_at: Option<DateTime<Utc>>,
    /// When it was confirmed or rejected.
    decided_at: Option<DateTime<Utc>>,
    cancelled_at: Option<DateTime<Utc>>,
    /// Whether this is from before the `Order-Min-Position` of the request.
    stale: bool,
    /// The last record of the order's partition that this includes.
    #[schema(example = "orders:3@42")]
    position: Option<String>,
}

/// A line of an order.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Line)]
pub(crate) struct LineView {
    #[schema(example = "1029743")]
    sku: String,
    #[schema(example = 2)]
    quantity: i32,
    #[schema(example = 199)]
    unit_price_minor: i64,
}

/// A SKU that was short.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Shortage)]
pub(crate) struct ShortageView {
    #[schema(example = "1029743")]
    sku: String,
    #[schema(example = 9)]
    requested: i32,
    #[schema(example = 4)]
    available: i32,
}

/// A row of the query below.
#[derive(sqlx::FromRow)]
pub(crate) struct OrderRow {
    order_id: Uuid,
    customer_id: String,
    status: String,
    currency: Option<String>,
    total_minor: Option<i64>,
    placed_at: Option<DateTime<Utc>>,
    decided_at: Option<DateTime<Utc>>,
    cancelled_at: Option<DateTime<Utc>>,
    shortages: Json<Vec<ShortageView>>,
    lines: Json<Vec<LineView>>,
    source_partition: i32,
    next_offset: Option<i64>,
}

impl OrderRow {
    /// What the client sees.
    pub(crate) fn view(self, stale: bool) -> OrderView {
        let next = self.next_offset.unwrap_or_default();
        let position = Position::before(Topic::Orders, self.source_partition, next);
        OrderView {
            order_id: self.order_id,
            customer_id: self.customer_id,
            status: self.status,
            lines: self.lines.0,
            total_minor: self.total_minor,
            currency: self.currency,
            shortages: self.shortages.0,
            placed_at: self.placed_at,
            decided_at: self.decided_at,
            cancelled_at: self.cancelled_at,
            stale,
            position: position.map(|position| position.to_string()),
        }
    }
}

/// The order and the position of its partition in one statement, so that they fit together.
pub(crate) fn find<'c>(
    conn: &'c mut PgConnection,
    order: OrderId,
    orders_topic: &str,
) -> Reading<'c, Option<OrderRow>> {
    let query = sqlx::query_as(
        "SELECT orders.order_id, customer_id, status, currency, total_minor, placed_at, decided_at,
                cancelled_at, shortages, source_partition, next_offset,
                coalesce((SELECT jsonb_agg(jsonb_build_object('sku', sku, 'quantity', quantity,
                                 'unit_price_minor', unit_price_minor) ORDER BY line)
                          FROM order_lines WHERE order_lines.order_id = orders.order_id), '[]')
                AS lines
         FROM orders
         LEFT JOIN positions ON topic = $2 AND partition = source_partition
         WHERE orders.order_id = $1",
    );
    query.bind(order.uuid()).bind(orders_topic.to_owned()).fetch_optional(conn).boxed()
}
