//! Inventory through SQL, on a real database: the laws hold in the tables, and between workers. The
//! single rules are held by `rules`.

use events_schema::Event;
use inventory::{Inventory, MIGRATIONS};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use runtime::testing::{apply, batch, database, deliver};
use runtime::{Batch, Partition, Projection};
use serde_json::Value;
use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use crate::given::*;
use crate::history;

pub(crate) const TABLES: [&str; 7] =
    ["conflicts", "order_lines", "orders", "products", "stock", "stock_receipts", "stock_refusals"];

pub(crate) async fn fresh(pool: PgPoolOptions, options: PgConnectOptions) -> PgPool {
    database::<Inventory>(pool, options, &MIGRATIONS).await
}

pub(crate) async fn happen(pool: &PgPool, events: impl IntoIterator<Item = Event>) {
    apply::<Inventory>(pool, &batch(0, events)).await.unwrap();
}

async fn rows(pool: &PgPool) -> Vec<Value> {
    rows_of(pool, &TABLES).await
}

async fn rows_of(pool: &PgPool, tables: &[&str]) -> Vec<Value> {
    let mut all = Vec::new();
    for table in tables {
        let query =
            format!("SELECT to_jsonb(t) - 'id' FROM {table} t ORDER BY (to_jsonb(t) - 'id')::text");
        let rows = sqlx::query_scalar::<_, Value>(sqlx::AssertSqlSafe(query));
        all.extend(rows.fetch_all(pool).await.unwrap());
    }
    all
}

async fn empty(pool: &PgPool) {
    let query = format!("TRUNCATE {}", TABLES.join(", "));
    sqlx::query(sqlx::AssertSqlSafe(query)).execute(pool).await.unwrap();
}

pub(crate) async fn stock_of(pool: &PgPool, sku: &str) -> Option<i64> {
    let query = sqlx::query_scalar("SELECT available FROM stock WHERE sku = $1");
    query.bind(sku).fetch_optional(pool).await.unwrap()
}

pub(crate) async fn status_of(pool: &PgPool, order: u128) -> String {
    let query = sqlx::query_scalar("SELECT status FROM orders WHERE order_id = $1");
    query.bind(order_id(order).uuid()).fetch_one(pool).await.unwrap()
}

#[sqlx::test(migrations = false)]
async fn a_confirmed_order_takes_its_stock(pool: PgPoolOptions, options: PgConnectOptions) {
    let pool = fresh(pool, options).await;
    happen(&pool, [receive(1, "milk", 5), place(1, ANN, &[("milk", 2), ("milk", 1)])]).await;
    assert_eq!(stock_of(&pool, "milk").await, Some(2));
    assert_eq!(status_of(&pool, 1).await, "confirmed");
}

#[sqlx::test(migrations = false)]
async fn an_order_placed_in_one_batch_is_released_in_another(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let pool = fresh(pool, options).await;
    happen(&pool, [receive(1, "milk", 5), place(1, ANN, &[("milk", 2), ("milk", 1)])]).await;
    let decision = apply::<Inventory>(&pool, &batch(9, [cancel(1, ANN)])).await.unwrap();
    assert_eq!(stock_of(&pool, "milk").await, Some(5));
    assert_eq!(status_of(&pool, 1).await, "cancelled");
    let expected = cancelled(1, ANN, batch(0, []).decided_at, &[("milk", 3)]);
    assert_eq!(decision.follow_ups[0].event, expected);
}

#[sqlx::test(migrations = false)]
async fn a_rejection_keeps_its_reasons(pool: PgPoolOptions, options: PgConnectOptions) {
    let pool = fresh(pool, options).await;
    happen(&pool, [receive(1, "milk", 1), place(1, ANN, &[("milk", 2), ("tea", 1)])]).await;
    let reasons: Value =
        sqlx::query_scalar("SELECT shortages FROM orders").fetch_one(&pool).await.unwrap();
    let expected = serde_json::json!([
        {"sku": "milk", "requested": 2, "available": 1},
        {"sku": "tea", "requested": 1, "available": 0},
    ]);
    assert_eq!(reasons, expected);
    assert_eq!(stock_of(&pool, "milk").await, Some(1));
    assert_eq!(stock_of(&pool, "tea").await, None);
}

#[sqlx::test(migrations = false)]
async fn the_last_record_of_a_product_wins(pool: PgPoolOptions, options: PgConnectOptions) {
    let pool = fresh(pool, options).await;
    happen(&pool, [product("milk", 100), product("tea", 5), product("milk", 120)]).await;
    happen(&pool, [product("tea", 6)]).await;
    let prices = sqlx::query_scalar::<_, i64>("SELECT price_minor FROM products ORDER BY sku");
    assert_eq!(prices.fetch_all(&pool).await.unwrap(), [120, 6]);
}

#[sqlx::test(migrations = false)]
async fn a_product_that_is_delisted_keeps_its_stock_and_its_orders(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let pool = fresh(pool, options).await;
    let before = [product("milk", 100), receive(1, "milk", 5), place(1, ANN, &[("milk", 2)])];
    happen(&pool, before).await;
    happen(&pool, [delisted("milk"), delisted("tea")]).await;
    let count = |table: &str| format!("SELECT count(*) FROM {table}");
    let counted = async |table| {
        let count = sqlx::query_scalar::<_, i64>(sqlx::AssertSqlSafe(count(table)));
        count.fetch_one(&pool).await.unwrap()
    };
    assert_eq!(counted("products").await, 0);
    assert_eq!((stock_of(&pool, "milk").await, counted("order_lines").await), (Some(3), 1));
    happen(&pool, [product("milk", 120), place(2, ANN, &[("milk", 1)])]).await;
    assert_eq!((counted("products").await, stock_of(&pool, "milk").await), (1, Some(2)));
}

#[sqlx::test(migrations = false)]
async fn stock_received_after_a_refused_write_off_is_on_the_shelf(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let pool = fresh(pool, options).await;
    let first = [receive(1, "milk", 2), receive(2, "milk", -5), receive(3, "milk", 1)];
    deliver::<Inventory>(&pool, first).await.unwrap();
    deliver::<Inventory>(&pool, [receive(4, "milk", 4), product("milk", 120)]).await.unwrap();
    assert_eq!(stock_of(&pool, "milk").await, Some(7));
    let parked = sqlx::query_scalar::<_, i64>("SELECT count(*) FROM parked");
    assert_eq!(parked.fetch_one(&pool).await.unwrap(), 0);
    let refused = sqlx::query_as::<_, (String, i32, i64, String, i64)>(
        "SELECT sku, delta, available, cause, source_offset FROM stock_refusals",
    );
    let expected = ("milk".to_owned(), -5, 2, "stock-below-zero".to_owned(), 1);
    assert_eq!(refused.fetch_all(&pool).await.unwrap(), [expected]);
    let products = sqlx::query_scalar::<_, i64>("SELECT count(*) FROM products");
    assert_eq!(products.fetch_one(&pool).await.unwrap(), 1);
}

#[sqlx::test(migrations = false)]
async fn an_outcome_that_comes_back_changes_no_row(pool: PgPoolOptions, options: PgConnectOptions) {
    let pool = fresh(pool, options).await;
    let history = [
        receive(1, "milk", 5),
        place(1, ANN, &[("milk", 2)]),
        place(2, ANN, &[("milk", 9)]),
        cancel(1, ANN),
        cancel(3, BOB),
    ];
    let decision = apply::<Inventory>(&pool, &batch(0, history)).await.unwrap();
    let before = rows(&pool).await;
    let echo = batch(100, decision.follow_ups.into_iter().map(|follow_up| follow_up.event));
    let decision = apply::<Inventory>(&pool, &echo).await.unwrap();
    assert_eq!(decision.duplicates.len(), 4);
    assert!(decision.changes.is_empty() && decision.follow_ups.is_empty());
    assert_eq!(rows(&pool).await, before);
}

/// Laws over random histories: `history` says what can happen in one.
async fn for_histories(pool: &PgPool, check: impl AsyncFn(&PgPool, Vec<Event>, usize)) {
    let mut runner = TestRunner::deterministic();
    for _ in 0..24 {
        let events = history::any().new_tree(&mut runner).unwrap().current();
        let cut = (0..=events.len()).new_tree(&mut runner).unwrap().current();
        empty(pool).await;
        check(pool, events, cut).await;
    }
}

#[sqlx::test(migrations = false)]
async fn every_unit_received_is_on_the_shelf_or_held_by_a_confirmed_order(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let pool = fresh(pool, options).await;
    for_histories(&pool, async |pool, events, cut| {
        let whole = batch(0, events);
        let (first, second) = whole.records.split_at(cut);
        for records in [first, second] {
            let part = Batch { decided_at: whole.decided_at, records: records.to_vec() };
            apply::<Inventory>(pool, &part).await.unwrap();
        }
        assert_eq!(unaccounted(pool).await, Vec::<String>::new(), "{whole:?}");
    })
    .await;
}

/// The numbers of these write-offs of nothing.
fn refused(numbers: std::ops::Range<u128>, sku: impl Fn(u128) -> String) -> Vec<Event> {
    numbers.map(|number| receive(number, &sku(number), -1)).collect()
}

#[sqlx::test(migrations = false)]
async fn the_newest_refusals_are_kept_of_each_sku_and_of_all(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let pool = fresh(pool, options).await;
    let count = async |what: &'static str| -> i64 {
        sqlx::query_scalar(what).fetch_one(&pool).await.unwrap()
    };
    happen(&pool, refused(0..60, |_| "milk".to_owned())).await;
    happen(&pool, refused(60..150, |_| "milk".to_owned())).await;
    assert_eq!(count("SELECT count(*) FROM stock_refusals").await, 100);
    let first = "SELECT count(*) FROM stock_refusals
                 WHERE event_id < '00000000-0000-0000-0000-000000000032'";
    assert_eq!(count(first).await, 0, "the fifty that were refused first went first");
    happen(&pool, refused(1_000..10_950, |number| format!("ghost-{number}"))).await;
    assert_eq!(count("SELECT count(*) FROM stock_refusals").await, 10_000);
    assert_eq!(count("SELECT count(*) FROM stock_refusals WHERE sku = 'milk'").await, 50);
    assert_eq!(count("SELECT count(*) FROM stock").await, 0, "no ghost has a shelf");
}

/// SKUs where received minus held is not what is available.
async fn unaccounted(pool: &PgPool) -> Vec<String> {
    let query = "
        WITH received AS (SELECT sku, sum(delta) AS units FROM stock_receipts GROUP BY sku),
             held AS (SELECT sku, sum(quantity) AS units FROM order_lines JOIN orders
                      USING (order_id) WHERE status = 'confirmed' GROUP BY sku)
        SELECT stock.sku::text FROM stock
        LEFT JOIN received ON received.sku = stock.sku LEFT JOIN held ON held.sku = stock.sku
        WHERE available <> coalesce(received.units, 0) - coalesce(held.units, 0)";
    sqlx::query_scalar(query).fetch_all(pool).await.unwrap()
}

/// The batch, as of another partition of the orders topic.
fn on_partition(partition: i32, mut batch: Batch<'_>) -> Batch<'_> {
    batch.records.iter_mut().for_each(|r| r.source.partition = Partition(partition));
    batch
}

#[sqlx::test(migrations = false)]
async fn two_workers_on_hot_skus_neither_oversell_nor_deadlock(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let pool = fresh(pool, options).await;
    happen(&pool, [receive(1, "a", 60), receive(2, "b", 60), receive(3, "c", 60)]).await;
    let work = async |worker: u128, skus: [&'static str; 3]| {
        for round in 0..20_u128 {
            let number = 1_000 * worker + 10 * round;
            let [x, y, z] = skus;
            let events = [
                place(number, ANN, &[(x, 1), (y, 1)]),
                place(number + 1, ANN, &[(y, 2), (z, 1)]),
                // A SKU that the other worker opens at the same time, in the other order.
                receive(number + 2, [x, z][round as usize % 2], 1),
                receive(number + 3, &format!("new-{round}-{x}"), 1),
                receive(number + 4, &format!("new-{round}-{z}"), 1),
            ];
            let batch = on_partition(worker as i32, batch(10 * round as i64, events));
            apply::<Inventory>(&pool, &batch).await.unwrap();
        }
    };
    tokio::join!(
        work(1, ["a", "b", "c"]),
        work(2, ["c", "b", "a"]),
        work(3, ["b", "c", "a"]),
        work(4, ["c", "a", "b"]),
    );
    assert_eq!(unaccounted(&pool).await, Vec::<String>::new());
    let rejected = "SELECT count(*) FROM orders WHERE status = 'rejected'";
    let rejected: i64 = sqlx::query_scalar(rejected).fetch_one(&pool).await.unwrap();
    assert!(rejected > 0, "there was enough for everybody: nothing was proved");
}

#[sqlx::test(migrations = false)]
async fn a_foreign_cancellation_at_the_same_moment_costs_nobody_an_order(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    use runtime::Projection;
    let pool = fresh(pool, options).await;
    happen(&pool, [receive(1, "milk", 5)]).await;
    // Neither sees the other's row when it decides.
    let placing = batch(1, [place(1, ANN, &[("milk", 2)])]);
    let cancelling = on_partition(7, batch(1, [cancel(1, BOB)]));
    let mut first = pool.begin().await.unwrap();
    let mut second = pool.begin().await.unwrap();
    let placed = Inventory::decide(Inventory::load(&mut first, &placing).await.unwrap(), &placing);
    let asked =
        Inventory::decide(Inventory::load(&mut second, &cancelling).await.unwrap(), &cancelling);
    Inventory::save(&mut second, &asked.changes).await.unwrap();
    second.commit().await.unwrap();
    Inventory::save(&mut first, &placed.changes).await.unwrap();
    first.commit().await.unwrap();
    assert_eq!(status_of(&pool, 1).await, "confirmed");
    // And the other way round: the order stays.
    happen(&pool, [place(2, ANN, &[("milk", 1)])]).await;
    let mut late = pool.begin().await.unwrap();
    let unaware = Inventory::decide(Default::default(), &batch(2, [cancel(2, BOB)]));
    Inventory::save(&mut late, &unaware.changes).await.unwrap();
    late.commit().await.unwrap();
    assert_eq!(status_of(&pool, 2).await, "confirmed");
}

#[sqlx::test(migrations = false)]
async fn a_conflict_is_kept_where_one_of_a_former_topic_stood(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let pool = fresh(pool, options).await;
    happen(&pool, [place(1, ANN, &[("milk", 1)]), place(2, ANN, &[("milk", 1)])]).await;
    // Of the topic as it was, as it was delivered again, and as it was made anew.
    for order in [1, 1, 2] {
        happen(&pool, [place(order, BOB, &[("milk", 1)])]).await;
    }
    let kept = sqlx::query_scalar("SELECT order_id FROM conflicts ORDER BY order_id");
    let kept: Vec<uuid::Uuid> = kept.fetch_all(&pool).await.unwrap();
    assert_eq!(kept, [order_id(1).uuid(), order_id(2).uuid()]);
}

/// What a dry run would do, in a transaction that can neither lock nor write, while these rows are
/// locked.
#[sqlx::test(migrations = false)]
async fn a_dry_run_sees_what_a_batch_has_locked_and_opens_no_shelf(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let pool = fresh(pool, options).await;
    happen(&pool, [receive(1, "milk", 5), place(1, ANN, &[("milk", 2)])]).await;
    let mut working = pool.begin().await.unwrap();
    sqlx::query("SELECT FROM stock FOR UPDATE").execute(&mut *working).await.unwrap();
    let records = [cancel(1, ANN), place(2, ANN, &[("milk", 5)]), receive(2, "tea", 1)];
    let records = batch(9, records);
    let mut looking = pool.begin().await.unwrap();
    let is_told = "SET LOCAL transaction_read_only = on; SET LOCAL lock_timeout = '1s'";
    sqlx::raw_sql(is_told).execute(&mut *looking).await.unwrap();
    let seen = Inventory::look(&mut looking, &records).await.unwrap();
    looking.rollback().await.unwrap();
    working.rollback().await.unwrap();
    let decision = Inventory::decide(seen, &records);
    assert_eq!(rows_of(&pool, &["stock"]).await.len(), 1, "no shelf for tea");
    let done = apply::<Inventory>(&pool, &records).await.unwrap();
    assert_eq!(decision.changes, done.changes);
    assert_eq!(stock_of(&pool, "milk").await, Some(0));
}
