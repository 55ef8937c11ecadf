//! A projection that has no position at all, on a log with a past and on one without.

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use super::world::{PARTITIONS, World};

const DELTAS: &str = "SELECT count(*) FROM deltas";
const POSITIONS: &str = "SELECT count(*) FROM positions";

#[sqlx::test(migrations = false)]
async fn a_first_start_on_a_log_with_a_past_waits_for_the_operators_word(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let mut world = World::new(pool, options).await;
    world.has_begun = false;
    world.receive(0, 1, "milk").await;
    let worker = world.worker().await;
    // Also of a partition in which nothing has happened yet.
    for partition in ["stock/0", "stock/3"] {
        worker.until_complaint(partition, "unstarted: the log has a past").await;
    }
    assert_eq!((world.number(POSITIONS).await, world.number(DELTAS).await), (0, 0));
    let id = super::ids_of_mock(&["stock".to_owned()]).unwrap().remove("stock").unwrap();
    world.stand(0, 1, &id).await;
    worker.until_holding(4).await;
    world.receive(0, 2, "milk").await;
    world.until_number("SELECT next_offset FROM positions WHERE partition = 0", 2).await;
    assert_eq!(world.number(DELTAS).await, 1, "the past was not asked for");
    worker.stop().await;
}

#[sqlx::test(migrations = false)]
async fn a_first_start_on_an_empty_log_needs_no_word_whatever_comes_then(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let mut world = World::new(pool, options).await;
    world.has_begun = false;
    let first = world.worker().await;
    world.until_number(POSITIONS, i64::from(PARTITIONS)).await;
    first.stop().await;
    world.receive(0, 1, "milk").await;
    let second = world.worker().await;
    world.until_number(DELTAS, 1).await;
    second.stop().await;
}
