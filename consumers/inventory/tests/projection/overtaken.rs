//! Two batches that want the same stock at the same time: neither waits for the other before it writes,
//! and none gives away what the other took.

use inventory::Inventory;
use runtime::testing::{batch, deliver};
use runtime::{Projection, StoreError};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use waiting::{WAITING_FOR_A_LOCK, eventually};

use crate::given::*;
use crate::sql::{fresh, happen, status_of, stock_of};

#[sqlx::test(migrations = false)]
async fn a_batch_is_loaded_while_another_holds_its_stock(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let pool = fresh(pool, options).await;
    happen(&pool, [receive(1, "milk", 5)]).await;
    let mut other = pool.begin().await.unwrap();
    sqlx::query("SELECT FROM stock FOR UPDATE").execute(&mut *other).await.unwrap();
    let mut own = pool.begin().await.unwrap();
    sqlx::raw_sql("SET LOCAL lock_timeout = '1s'").execute(&mut *own).await.unwrap();
    let placing = batch(1, [place(1, ANN, &[("milk", 2)])]);
    Inventory::load(&mut own, &placing).await.unwrap();
}

#[sqlx::test(migrations = false)]
async fn a_batch_does_not_give_away_what_another_took_meanwhile(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let pool = fresh(pool, options).await;
    happen(&pool, [receive(1, "milk", 5)]).await;
    let placing = batch(1, [place(1, ANN, &[("milk", 4)])]);
    let mut late = pool.begin().await.unwrap();
    let decided = Inventory::decide(Inventory::load(&mut late, &placing).await.unwrap(), &placing);
    happen(&pool, [place(2, BOB, &[("milk", 2)])]).await;
    let saved = Inventory::save(&mut late, &decided.changes).await;
    assert!(matches!(saved, Err(StoreError::Overtaken)), "{saved:?}");
    late.rollback().await.unwrap();
    assert_eq!(stock_of(&pool, "milk").await, Some(3));
}

#[sqlx::test(migrations = false)]
async fn a_batch_that_was_overtaken_is_decided_anew(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let pool = fresh(pool, options).await;
    happen(&pool, [receive(1, "milk", 5)]).await;
    let mut other = pool.begin().await.unwrap();
    let taken = "UPDATE stock SET available = 1 WHERE sku = 'milk'";
    sqlx::query(taken).execute(&mut *other).await.unwrap();
    let others = async {
        let waiting = async || {
            let count = sqlx::query_scalar::<_, i64>(WAITING_FOR_A_LOCK).fetch_one(&pool);
            count.await.unwrap() == 1
        };
        eventually("the batch waits for the row of milk", waiting).await;
        other.commit().await.unwrap();
    };
    let placed = deliver::<Inventory>(&pool, [place(1, ANN, &[("milk", 4)])]);
    let (placed, ()) = tokio::join!(placed, others);
    placed.unwrap();
    assert_eq!(status_of(&pool, 1).await, "rejected");
    assert_eq!(stock_of(&pool, "milk").await, Some(1));
}
