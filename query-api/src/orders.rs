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
    /// Whether an event of the order, such as its cancellation, could not be applied.
    parked: Option<Parked>,
    /// Whether this is from before the `Order-Min-Position` of the request.
    stale: bool,
    /// The last record of the order's partition that this includes.
    #[schema(example = "orders:3@42")]
    position: Option<String>,
}

/// What became of an event that inventory could not apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Parked {
    /// It waits until an operator has seen to it.
    Waiting,
    /// An operator gave it up: it will never be applied.
    GivenUp,
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
    /// Inventory could not apply an event of it.
    pub(crate) parked: Option<Parked>,
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
    pub(crate) fn view(self, parked: Option<Parked>, reached: &Reached, stale: bool) -> OrderView {
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
            parked,
            stale,
            position: position.map(|position| position.to_string()),
        }
    }
}

/// $2 is the topic of orders. Who reads here may not read what is parked, only that it is.
const FIND: &str = snapshot_of!(
    "SELECT CASE WHEN EXISTS (SELECT FROM parked_subjects
                              WHERE topic = $2 AND subject = $3 AND state <> 'discarded')
                 THEN 'waiting'
                 WHEN EXISTS (SELECT FROM parked_subjects WHERE topic = $2 AND subject = $3)
                 THEN 'given_up' END AS parked,
            (SELECT to_json(shown) FROM (
                SELECT order_id, customer_id, status, currency, total_minor, placed_at,
                       decided_at, cancelled_at, shortages, source_partition,
                       coalesce((SELECT json_agg(json_build_object('sku', sku, 'quantity',
                                        quantity, 'unit_price_minor', unit_price_minor)
                                        ORDER BY line)
                                 FROM order_lines WHERE order_lines.order_id = orders.order_id),
                                '[]') AS lines
                FROM orders WHERE order_id = $1) AS shown) AS \"order\""
);

/// The order, if it is there. `topic` is that of orders, as the deployment calls it.
pub(crate) fn find<'c>(
    conn: &'c mut PgConnection,
    topic: &str,
    order: OrderId,
) -> Reading<'c, Snapshot<Found>> {
    let query = sqlx::query_as(FIND);
    let query = query.bind(order.uuid()).bind(topic.to_owned()).bind(order.to_string());
    snapshot::read(query, conn)
}

#[cfg(test)]
mod tests {
    use inventory::{Inventory, MIGRATIONS};
    use sqlx::AssertSqlSafe;
    use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

    use super::FIND;

    #[sqlx::test(migrations = false)]
    async fn an_order_costs_look_ups_only_however_much_is_parked(
        pool: PgPoolOptions,
        options: PgConnectOptions,
    ) {
        let pool = runtime::testing::database::<Inventory>(pool, options, &MIGRATIONS).await;
        let many = "INSERT INTO parked (topic, partition, record_offset, subject, cause, detail,
                        blocks, headers, recorded_at)
                    SELECT topic, 0, n, n::text, 'foreign-schema', '', true, '[]', now()
                    FROM generate_series(1, 5000) AS n,
                         unnest('{orders,stock,products}'::text[]) AS topic;
                    ANALYZE parked";
        sqlx::raw_sql(many).execute(&pool).await.unwrap();
        let order = "00000000-0000-0000-0000-000000000001";
        let explain = ["$1", "$2", "$3"].iter().zip([order, "orders", order]);
        let explain = explain.fold(format!("EXPLAIN {FIND}"), |sql, (name, value)| {
            sql.replace(name, &format!("'{value}'"))
        });
        let plan: Vec<String> =
            sqlx::query_scalar(AssertSqlSafe(explain)).fetch_all(&pool).await.unwrap();
        let plan = plan.join("\n");
        assert!(!plan.contains("Seq Scan on parked"), "{plan}");
        let condition = format!("((topic = 'orders'::text) AND (subject = '{order}'::text))");
        // Once for what waits; once more, and in the audit, for what was given up.
        assert_eq!(plan.matches(&condition).count(), 3, "{plan}");
        pool.close().await;
    }
}
