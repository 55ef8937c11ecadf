//! A small log, and the rows that it explains, written by hand.

use events_schema::{Event, RecordPosition, Topic};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, PgPool};

use super::story::Story;
use crate::testing::{
    RUNTIME, START, cancel_requested, cancelled, confirmed, encoder, order, placed, product,
    received, rejected,
};

pub(super) const MIGRATIONS: [(&str, &[&str]); 3] = [
    (
        "inventory",
        &[
            RUNTIME,
            include_str!("../../../consumers/inventory/migrations/0001_inventory.sql"),
            include_str!("../../../consumers/inventory/migrations/0003_stock_refusals.sql"),
        ],
    ),
    (
        "confirmation-email",
        &[
            RUNTIME,
            concat!(
                include_str!(
                    "../../../consumers/confirmation-email/migrations/0001_confirmation_email.sql"
                ),
                include_str!("../../../consumers/confirmation-email/migrations/0002_causes.sql")
            ),
        ],
    ),
    (
        "analytics",
        &[RUNTIME, include_str!("../../../consumers/analytics/migrations/0001_analytics.sql")],
    ),
];
/// Order 1 was confirmed and cancelled, 2 rejected, 4 cancelled before it was placed. Of order 3
/// the confirmation stands behind the positions; of order 6 it is still in the outbox. Nobody has
/// read order 5. The last write-off was refused: nothing was left.
fn log() -> Vec<(Topic, i32, Vec<Event>)> {
    let first: Vec<Event> = vec![
        placed(1).into(),
        confirmed(1).into(),
        placed(2).into(),
        rejected(2).into(),
        cancel_requested(1).into(),
        cancelled(1, true).into(),
        cancel_requested(4).into(),
        placed(4).into(),
        cancelled(4, false).into(),
        placed(3).into(),
        confirmed(3).into(),
        placed(5).into(),
    ];
    let products = vec![product("a", "old").into(), product("b", "Beans").into()];
    let products = products.into_iter().chain([product("a", "Apples").into()]).collect();
    let stock = [
        received(1, "a", 10),
        received(2, "b", 5),
        received(1, "a", 10),
        received(3, "c", 2),
        received(4, "c", -2),
        received(5, "c", -1),
    ];
    vec![
        (Topic::Orders, 0, first),
        (Topic::Orders, 1, vec![placed(6).into()]),
        (Topic::Products, 0, products),
        (Topic::Stock, 0, stock.map(Event::from).into()),
    ]
}

/// How far every projection has read.
pub(super) const POSITIONS: [(Topic, i32, i64); 4] =
    [(Topic::Orders, 0, 10), (Topic::Orders, 1, 1), (Topic::Products, 0, 3), (Topic::Stock, 0, 6)];

pub(super) fn story() -> Story {
    let mut story = Story::default();
    for (topic, partition, events) in log() {
        for (offset, event) in (0..).zip(events) {
            story.tell(RecordPosition { topic, partition, offset }, event);
        }
    }
    story
}

/// Minutes after the start, as JSON takes a time.
fn at(minutes: i64) -> String {
    let micros = START + minutes * 60_000_000;
    chrono::DateTime::from_timestamp_micros(micros).unwrap().to_rfc3339()
}

/// Writes rows; members that the table does not have are left out.
async fn insert(pool: &PgPool, table: &str, rows: Value) {
    let sql =
        format!("INSERT INTO {table} SELECT * FROM jsonb_populate_recordset(NULL::{table}, $1)");
    sqlx::query(AssertSqlSafe(sql)).bind(rows).execute(pool).await.unwrap();
}

pub(crate) async fn run(pool: &PgPool, sql: &str) {
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(pool).await.unwrap();
}

pub(crate) async fn prepared(pool: &PgPool) {
    for (schema, files) in MIGRATIONS {
        let mut connection = pool.acquire().await.unwrap();
        let open = format!("CREATE SCHEMA \"{schema}\"; SET search_path = \"{schema}\";");
        let sql = format!("{open}{};SET search_path = public", files.join(";"));
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut *connection).await.unwrap();
        for (topic, partition, next) in POSITIONS {
            let sql = format!("INSERT INTO \"{schema}\".positions VALUES ($1, $2, 'id', 1, $3)");
            let query = sqlx::query(AssertSqlSafe(sql)).bind(topic.name()).bind(partition);
            query.bind(next).execute(pool).await.unwrap();
        }
    }
    inventory_rows(pool).await;
    mail_rows(pool).await;
    analytics_rows(pool).await;
}

async fn inventory_rows(pool: &PgPool) {
    let row = |n: u8, status: &str, partition: i32, offset: i64| {
        json!({"order_id": order(n), "customer_id": format!("customer-{n}"), "status": status,
            "currency": "USD", "total_minor": 250, "fingerprint": n, "placed_at": at(n.into()),
            "decided_at": at(60 + i64::from(n)), "shortages": [],
            "source_partition": partition, "source_offset": offset})
    };
    let mut orders = [
        row(1, "cancelled", 0, 0),
        row(2, "rejected", 0, 2),
        row(3, "confirmed", 0, 9),
        row(6, "confirmed", 1, 0),
        json!({"order_id": order(4), "customer_id": "customer-4", "status": "cancelled",
            "cancelled_at": at(184), "shortages": [], "source_partition": 0, "source_offset": 6}),
    ];
    orders[0]["cancelled_at"] = json!(at(181));
    orders[1]["shortages"] = json!([{"sku": "a", "requested": 2, "available": 1}]);
    insert(pool, "inventory.orders", json!(orders)).await;
    insert(pool, "inventory.order_lines", order_lines(&[1, 2, 3, 6])).await;
    let row = |sku: &str, available: i64| json!({"sku": sku, "available": available});
    let shelf = json!([row("a", 6), row("b", 3), row("c", 0)]);
    insert(pool, "inventory.stock", shelf).await;
    let receipt = |n: u8, sku: &str, delta: i32| json!({"event_id": order(n), "sku": sku, "delta": delta, "received_at": at(0)});
    let refused = receipt(5, "c", 0);
    let receipts = json!([
        receipt(1, "a", 10),
        receipt(2, "b", 5),
        receipt(3, "c", 2),
        receipt(4, "c", -2),
        refused
    ]);
    insert(pool, "inventory.stock_receipts", receipts).await;
    insert(pool, "inventory.products", products()).await;
    let payload = encoder().encode(&confirmed(6).into(), vec![]).unwrap();
    let sql = "INSERT INTO inventory.outbox (topic, partition, record_key, payload, headers)
        VALUES ('orders', 1, 'customer-6', $1, '[]')";
    sqlx::query(sql).bind(payload).execute(pool).await.unwrap();
}

fn order_lines(orders: &[u8]) -> Value {
    let row = |n: u8, line: i32, sku: &str, quantity: i32, price: i64| {
        json!({"order_id": order(n), "line": line, "sku": sku, "quantity": quantity,
            "unit_price_minor": price})
    };
    orders.iter().flat_map(|n| [row(*n, 0, "a", 2, 100), row(*n, 1, "b", 1, 50)]).collect()
}

fn products() -> Value {
    let row = |sku: &str, name: &str| {
        json!({"sku": sku, "name": name, "department": "GROCERY", "price_minor": 100,
            "currency": "USD", "updated_at": at(0)})
    };
    json!([row("a", "Apples"), row("b", "Beans")])
}

async fn mail_rows(pool: &PgPool) {
    let lines = json!([{"sku": "a", "quantity": 2, "unit_price_minor": 100},
        {"sku": "b", "quantity": 1, "unit_price_minor": 50}]);
    let row = |n: u8| {
        json!({"order_id": order(n), "customer_id": format!("customer-{n}"), "locale": "en", "name": format!("Customer {n}"),
            "email": format!("customer-{n}@example.com"), "currency": "USD", "total_minor": 250,
            "lines": lines, "placed_at": at(n.into())})
    };
    let orders: Value = [1, 2, 3, 4, 6].map(row).into_iter().collect();
    insert(pool, "\"confirmation-email\".orders", orders).await;
    insert(pool, "\"confirmation-email\".products", products()).await;
    let mail = |event: Event, n: u8, kind: &str, state: &str, details: Value| {
        json!({"event_id": event.event_id(), "customer_id": format!("customer-{n}"),
            "order_id": order(n), "kind": kind, "state": state, "details": details, "attempts": 1, "next_attempt_at": at(0), "queued_at": at(0),
            "occurred_at": event.occurred_at().to_utc()})
    };
    let short = json!([{"sku": "a", "requested": 2, "available": 1}]);
    let mails = json!([
        mail(confirmed(1).into(), 1, "confirmed", "sent", json!([])),
        mail(rejected(2).into(), 2, "rejected", "unknown", short),
        mail(cancelled(1, true).into(), 1, "cancelled", "queued", json!([])),
        mail(cancelled(4, false).into(), 4, "cancelled", "bounced", json!([])),
    ]);
    insert(pool, "\"confirmation-email\".mails", mails).await;
}

async fn analytics_rows(pool: &PgPool) {
    let row = |n: u8| {
        json!({"order_id": order(n), "customer_id": format!("customer-{n}"), "currency": "USD",
            "total_minor": 250, "units": 3, "placed_at": at(n.into())})
    };
    let mut orders = [1, 2, 3, 4, 6].map(row);
    orders[0]["confirmed_at"] = json!(at(61));
    orders[0]["cancel_requested_at"] = json!(at(121));
    orders[0]["cancelled_at"] = json!(at(181));
    orders[1]["rejected_at"] = json!(at(62));
    orders[3]["cancel_requested_at"] = json!(at(124));
    orders[3]["cancelled_at"] = json!(at(184));
    insert(pool, "analytics.orders", json!(orders)).await;
    insert(pool, "analytics.order_lines", order_lines(&[1, 2, 3, 4, 6])).await;
    insert(pool, "analytics.products", products()).await;
    let funnel = json!([{"hour": at(0), "placed": 5, "confirmed": 1, "rejected": 1,
        "cancel_requested": 2, "cancelled": 2}]);
    insert(pool, "analytics.hourly_funnel", funnel).await;
    let customer = |n: u8, confirmed: i64, rejected: i64, cancelled: i64| {
        json!({"customer_id": format!("customer-{n}"), "currency": "USD", "orders": 1,
            "confirmed": confirmed, "rejected": rejected, "cancelled": cancelled,
            "revenue_minor": 0, "first_order_at": at(n.into()), "last_order_at": at(n.into())})
    };
    let customers = json!([
        customer(1, 1, 0, 1),
        customer(2, 0, 1, 0),
        customer(3, 0, 0, 0),
        customer(4, 0, 0, 1),
        customer(6, 0, 0, 0)
    ]);
    insert(pool, "analytics.customers", customers).await;
}
