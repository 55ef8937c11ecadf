//! What a worker is to its group: a name that comes back, a spare one, one that leaves.

use std::time::{Duration, Instant};

use kafka_client::GroupProtocol;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use waiting::eventually;

use super::world::{PARTITIONS, Running, World};
use crate::settings::worker_id::WorkerId;

const ALL: usize = PARTITIONS as usize;
const DELTAS: &str = "SELECT count(*) FROM deltas";
/// Less than a session: partitions that are handed over do not wait for its end.
const AT_ONCE: Duration = Duration::from_secs(5);

fn named(name: &str) -> WorkerId {
    WorkerId::Named(name.to_owned())
}

async fn until_shared_out(workers: &[&Running]) {
    let held = |worker: &&Running| worker.workers.handover.held().len();
    let is_even = || workers.iter().all(|worker| held(worker) == ALL / workers.len());
    eventually("each worker holds its share", async || is_even()).await;
}

/// One record into every partition.
async fn receive_everywhere(world: &World, number: i64) {
    for partition in 0..PARTITIONS {
        world.receive(partition, number + i64::from(partition), "milk").await;
    }
}

#[sqlx::test(migrations = false)]
async fn a_worker_too_many_stands_by_ready_and_takes_over(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let world = World::on_brokers(pool, options).await;
    let mut workers = Vec::new();
    for _ in 0..=PARTITIONS {
        workers.push(world.worker().await);
    }
    let is_spare =
        |worker: &Running| worker.workers.shared.process.health.remarks().contains_key("worker 0");
    let one_is = async || workers.iter().filter(|worker| is_spare(worker)).count() == 1;
    eventually("one stands by", one_is).await;
    let place = workers.iter().position(is_spare).unwrap();
    let spare = workers.swap_remove(place);
    assert!(spare.workers.handover.held().is_empty());
    eventually("it is ready", async || spare.workers.shared.process.health.not_ready().is_empty())
        .await;

    workers.pop().unwrap().stop().await;
    spare.until_holding(1).await;
    eventually("it says so no longer", async || !is_spare(&spare)).await;
    for worker in workers {
        worker.stop().await;
    }
    spare.stop().await;
    world.end().await;
}

#[sqlx::test(migrations = false)]
async fn a_worker_that_stops_hands_its_partitions_over_at_once(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let world = World::on_brokers(pool, options).await;
    let first = world.worker_with(|settings| settings.worker_id = named("first")).await;
    let second = world.worker_with(|settings| settings.worker_id = named("second")).await;
    until_shared_out(&[&first, &second]).await;
    first.stop().await;
    let began = Instant::now();
    second.until_holding(ALL).await;
    assert!(began.elapsed() < AT_ONCE, "{:?}", began.elapsed());
    second.stop().await;
    world.end().await;
}

#[sqlx::test(migrations = false)]
async fn the_older_of_two_workers_under_one_name_goes_on_without_it_and_says_so(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let world = World::on_brokers(pool, options).await;
    let older = world.worker_with(|settings| settings.worker_id = named("same")).await;
    older.until_holding(ALL).await;
    let younger = world.worker_with(|settings| settings.worker_id = named("same")).await;
    older.until_complaint("identity 0", "another process is shelf-same-0").await;
    until_shared_out(&[&older, &younger]).await;
    assert_eq!(younger.complaint("identity 0"), None);
    receive_everywhere(&world, 1).await;
    world.until_number(DELTAS, PARTITIONS.into()).await;
    older.stop().await;
    younger.stop().await;
    world.end().await;
}

#[sqlx::test(migrations = false)]
async fn workers_take_apply_and_release_under_the_brokers_protocol(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let world = World::on_brokers(pool, options).await;
    let worker = async || {
        world.worker_with(|settings| settings.group_protocol = GroupProtocol::Consumer).await
    };
    let first = worker().await;
    first.until_holding(ALL).await;
    receive_everywhere(&world, 1).await;
    world.until_number(DELTAS, PARTITIONS.into()).await;

    let second = worker().await;
    until_shared_out(&[&first, &second]).await;
    receive_everywhere(&world, 11).await;
    world.until_number(DELTAS, (2 * PARTITIONS).into()).await;

    first.stop().await;
    second.until_holding(ALL).await;
    receive_everywhere(&world, 21).await;
    world.until_number(DELTAS, (3 * PARTITIONS).into()).await;
    second.stop().await;
    world.end().await;
}
