//! An order as clients see it, and the query that reads it. Knows no HTTP.

use chrono::{DateTime, Utc};
use events_schema::{OrderId, Topic};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::database::Reading;
use crate::progress::Reached;
use crate::snapshot::{self, Snapshot, snapshot_of};

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

/// What the query below finds: always one of it.
#[derive(Deserialize)]
pub(crate) struct Found {
    pub(crate) order: Option<OrderRow>,
    /// Inventory could not apply an event of it; this and all later ones wait for an operator.
    pub(crate) parked: bool,
}

#[derive(Deserialize)]
pub(crate) struct OrderRow {
    order_id: Uuid,
    customer_id: String,
    status: String,
    currency: Option<String>,
    total_minor: Option<i64>,
    placed_at: Option<DateTime<Utc>>,
    decided_at: Option<DateTime<Utc>>,
    cancelled_at: Option<DateTime<Utc>>,
    shortages: Vec<ShortageView>,
    lines: Vec<LineView>,
    source_partition: i32,
}

impl OrderRow {
    /// What the client sees.
    pub(crate) fn view(self, reached: &Reached, stale: bool) -> OrderView {
        let position = reached.of(Topic::Orders, Some(self.source_partition)).pop();
        OrderView {
            order_id: self.order_id,
            customer_id: self.customer_id,
            status: self.status,
            lines: self.lines,
            total_minor: self.total_minor,
            currency: self.currency,
            shortages: self.shortages,
            placed_at: self.placed_at,
            decided_at: self.decided_at,
            cancelled_at: self.cancelled_at,
            stale,
            position: position.map(|position| position.to_string()),
        }
    }
}

/// The order, if it is there.
pub(crate) fn find(conn: &mut PgConnection, order: OrderId) -> Reading<'_, Snapshot<Found>> {
    let query = sqlx::query_as(snapshot_of!(
        "SELECT EXISTS (SELECT FROM parked WHERE subject = $2) AS parked,
                (SELECT to_json(shown) FROM (
                    SELECT order_id, customer_id, status, currency, total_minor, placed_at,
                           decided_at, cancelled_at, shortages, source_partition,
                           coalesce((SELECT json_agg(json_build_object('sku', sku, 'quantity',
                                            quantity, 'unit_price_minor', unit_price_minor)
                                            ORDER BY line)
                                     FROM order_lines WHERE order_lines.order_id = orders.order_id),
                                    '[]') AS lines
                    FROM orders WHERE order_id = $1) AS shown) AS \"order\""
    ));
    snapshot::read(query.bind(order.uuid()).bind(order.to_string()), conn)
}
