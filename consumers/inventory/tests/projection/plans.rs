//! However the tables grow, a batch costs what its own rows cost. Says nothing of what they hold.

use inventory::Inventory;
use runtime::testing::{batch, rows_read};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use crate::given::*;
use crate::sql::{fresh, happen};

/// Postgres would read a small table whole, and keeps to a plan that it made for one.
#[sqlx::test(migrations = false)]
async fn a_batch_reads_no_rows_but_its_own_though_the_tables_grew(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let pool = fresh(pool, options).await;
    let shelf = |number| receive(number, &format!("sku-{number}"), 1);
    let story = || [receive(1, "milk", 9_000), place(1, ANN, &[("milk", 1)]), cancel(1, ANN)];
    happen(&pool, story().into_iter().chain((10..30).map(shelf))).await;
    sqlx::raw_sql("ANALYZE").execute(&pool).await.unwrap();
    happen(&pool, story()).await;
    happen(&pool, (30..1000).map(shelf)).await;
    happen(&pool, (10..1000).map(|order| place(order, ANN, &[("milk", 1)]))).await;
    let events = batch(
        0,
        [place(1000, ANN, &[("milk", 1), ("sku-10", 1)]), cancel(10, ANN), cancel(11, BOB)],
    );
    let read = rows_read::<Inventory>(&pool, &events).await.unwrap();
    assert!(read < 30, "{read} rows are read for three orders");
}
