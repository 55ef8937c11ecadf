//! The same on a real Postgres. Needs DATABASE_URL.

use analytics::{Analytics, MIGRATIONS};
use events_schema::Event;
use events_schema::limits::{QUANTITY_MAX, UNIT_PRICE_MINOR_MAX};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use runtime::Projection;
use runtime::testing::{self, apply, batch};
use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use crate::given::*;
use crate::laws::log;

pub(crate) const TABLES: [&str; 6] =
    ["products", "orders", "order_lines", "hourly_sales", "hourly_funnel", "customers"];

pub(crate) async fn database(pool: PgPoolOptions, options: PgConnectOptions) -> PgPool {
    testing::database::<Analytics>(pool, options, &MIGRATIONS).await
}

async fn deliver(pool: &PgPool, batches: impl IntoIterator<Item = Vec<Event>>) {
    for events in batches {
        apply::<Analytics>(pool, &batch(0, events)).await.unwrap();
    }
}

/// Every row of a table or query, as text, sorted.
async fn rows(pool: &PgPool, source: &str) -> Vec<String> {
    let all = format!("SELECT r::text FROM ({source}) AS r ORDER BY 1");
    sqlx::query_scalar(sqlx::AssertSqlSafe(all)).fetch_all(pool).await.unwrap()
}

async fn empty(pool: &PgPool) {
    let all = format!("TRUNCATE {}", TABLES.join(", "));
    sqlx::raw_sql(sqlx::AssertSqlSafe(all)).execute(pool).await.unwrap();
}

fn story() -> Vec<Event> {
    vec![
        product("apple", "Apple", "PRODUCE"),
        placed(0, 0, &[line("apple", 2, 100), line("apple", 1, 150)]).into(),
        confirmed(0, 1),
        placed(1, HOUR, &[line("pear", 3, 10)]).into(),
        rejected(1, HOUR + 1),
        placed(2, HOUR, &[line("apple", 1, 99)]).into(),
        confirmed(2, HOUR + 2),
        cancel_requested(2, HOUR + 3),
        cancelled(2, HOUR + 4),
        cancelled(4, HOUR + 5),
    ]
}

#[sqlx::test]
async fn a_story_leaves_the_rows_that_it_tells(pool: PgPoolOptions, options: PgConnectOptions) {
    let pool = database(pool, options).await;
    deliver(&pool, [story()]).await;
    assert_eq!(
        rows(&pool, "SELECT * FROM hourly_sales").await,
        [r#"("2026-01-01 00:00:00+00",apple,USD,1,3,350)"#]
    );
    assert_eq!(
        rows(&pool, "SELECT * FROM hourly_funnel").await,
        [r#"("2026-01-01 00:00:00+00",1,1,0,0,0)"#, r#"("2026-01-01 01:00:00+00",2,1,1,1,1)"#]
    );
    assert_eq!(
        rows(&pool, "SELECT * FROM hourly_sales_by_department").await,
        [r#"("2026-01-01 00:00:00+00",PRODUCE,USD,3,350)"#]
    );
    assert_eq!(
        rows(&pool, "SELECT customer_id, orders, confirmed, rejected, cancelled, revenue_minor FROM customers").await,
        ["(customer-0,1,1,0,0,350)", "(customer-1,1,0,1,0,0)", "(customer-2,1,1,0,1,0)"]
    );
    assert_eq!(
        rows(&pool, "SELECT line, sku, quantity FROM order_lines WHERE sku = 'apple'").await,
        ["(0,apple,1)", "(0,apple,2)", "(1,apple,1)"]
    );
}

#[sqlx::test]
async fn the_sums_of_the_largest_orders_fit(pool: PgPoolOptions, options: PgConnectOptions) {
    let pool = database(pool, options).await;
    let largest = vec![line("apple", QUANTITY_MAX.into(), UNIT_PRICE_MINOR_MAX); 9];
    let sold = |order| [placed(order, 0, &largest).into(), confirmed(order, 1)];
    let orders = (0..1100).flat_map(sold).collect::<Vec<_>>();
    deliver(&pool, orders.chunks(200).map(<[Event]>::to_vec)).await;
    // 1100 * 9 * 10^15, more than 2^63.
    let sum = "9900000000000000000";
    for table in ["hourly_sales", "customers", "hourly_sales_by_department"] {
        let revenue = format!("SELECT sum(revenue_minor) FROM {table}");
        assert_eq!(rows(&pool, &revenue).await, [format!("({sum})")], "{table}");
    }
}

/// A dozen logs from a fixed seed: the memory of `laws` may forgive what SQL does not.
#[sqlx::test]
async fn the_totals_are_what_the_orders_say(pool: PgPoolOptions, options: PgConnectOptions) {
    let pool = database(pool, options).await;
    let mut seed = TestRunner::deterministic();
    for _ in 0..12 {
        let log = log().new_tree(&mut seed).unwrap().current();
        empty(&pool).await;
        deliver(&pool, log.chunks(9).map(<[Event]>::to_vec)).await;
        assert_totals_are_what_the_orders_say(&pool).await;
    }
}

async fn assert_totals_are_what_the_orders_say(pool: &PgPool) {
    let hour = "date_trunc('hour', placed_at)";
    let sales = format!(
        "SELECT {hour} AS hour, sku, currency, count(DISTINCT order_id) AS orders,
                sum(quantity)::bigint AS units,
                sum(quantity * unit_price_minor)::bigint AS revenue_minor
         FROM orders JOIN order_lines USING (order_id)
         WHERE placed_at IS NOT NULL AND confirmed_at IS NOT NULL AND cancelled_at IS NULL
         GROUP BY 1, 2, 3"
    );
    assert_eq!(rows(pool, "SELECT * FROM hourly_sales").await, rows(pool, &sales).await);
    let funnel = format!(
        "SELECT {hour} AS hour, count(*), count(confirmed_at), count(rejected_at),
                count(cancel_requested_at), count(cancelled_at)
         FROM orders WHERE placed_at IS NOT NULL GROUP BY 1"
    );
    assert_eq!(rows(pool, "SELECT * FROM hourly_funnel").await, rows(pool, &funnel).await);
    let customers = "SELECT customer_id, currency, count(*), count(confirmed_at),
                count(rejected_at), count(cancelled_at),
                coalesce(sum(total_minor) FILTER (
                    WHERE confirmed_at IS NOT NULL AND cancelled_at IS NULL), 0)::bigint,
                min(placed_at), max(placed_at)
         FROM orders WHERE placed_at IS NOT NULL GROUP BY 1, 2";
    assert_eq!(rows(pool, "SELECT * FROM customers").await, rows(pool, customers).await);
}

#[sqlx::test]
async fn two_workers_on_the_same_hours_and_skus_do_not_lose_a_sale(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let pool = database(pool, options).await;
    let sold = |order: u128| {
        let lines = [line("pear", 1, 1), line("apple", 1, 1), line("plum", 1, 1)];
        [placed(order, (order as i64 % 4) * HOUR, &lines).into(), confirmed(order, 5 * HOUR)]
    };
    let worker = |first: u128| {
        let pool = pool.clone();
        async move {
            for start in 0..20 {
                let orders = (0..10).map(|n| first + 2 * (10 * start + n));
                deliver(&pool, [orders.flat_map(sold).collect()]).await;
            }
        }
    };
    tokio::join!(worker(0), worker(1));
    assert_eq!(rows(&pool, "SELECT sum(units) FROM hourly_sales").await, ["(1200)"]);
    assert_totals_are_what_the_orders_say(&pool).await;
}

/// Postgres would read a small table whole, and keeps to a plan that it made for one.
#[sqlx::test]
async fn a_batch_reads_no_rows_but_its_own_though_the_tables_grew(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let pool = database(pool, options).await;
    deliver(&pool, [story()]).await;
    sqlx::raw_sql("ANALYZE").execute(&pool).await.unwrap();
    deliver(&pool, [story()]).await;
    let placed = |order| Event::from(placed(order, HOUR, &[line("pear", 3, 10)]));
    deliver(&pool, [(10..1000).map(placed).collect()]).await;
    let events = [placed(1000), confirmed(10, HOUR), cancelled(11, HOUR), rejected(1, HOUR)];
    let read = testing::rows_read::<Analytics>(&pool, &batch(0, events)).await.unwrap();
    assert!(read < 30, "{read} rows are read for four orders");
}

#[sqlx::test]
async fn a_dry_run_sees_what_a_batch_has_locked(pool: PgPoolOptions, options: PgConnectOptions) {
    let pool = database(pool, options).await;
    deliver(&pool, [story()]).await;
    let mut working = pool.begin().await.unwrap();
    sqlx::query("SELECT FROM orders FOR UPDATE").execute(&mut *working).await.unwrap();
    let records = batch(9, [rejected(2, HOUR + 9), confirmed(1, HOUR + 9)]);
    let mut looking = pool.begin().await.unwrap();
    let is_told = "SET LOCAL transaction_read_only = on; SET LOCAL lock_timeout = '1s'";
    sqlx::raw_sql(is_told).execute(&mut *looking).await.unwrap();
    let seen = Analytics::look(&mut looking, &records).await.unwrap();
    let loaded = Analytics::load(&mut working, &records).await.unwrap();
    let decided = |state| format!("{:?}", Analytics::decide(state, &records));
    assert_eq!(decided(seen), decided(loaded));
}
