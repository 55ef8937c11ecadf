//! Where partitions start, and that one which cannot does not hold up the others.

use rdkafka::message::OwnedHeaders;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use waiting::{WAITING_FOR_A_LOCK, eventually};

use super::world::{MOCK_ID, PARTITIONS, World};

const DELTAS: &str = "SELECT count(*) FROM deltas";

#[sqlx::test(migrations = false)]
async fn a_position_outside_the_log_stops_its_partition_under_a_name(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let world = World::new(pool, options).await;
    // The mock keeps five megabytes of a partition.
    for _ in 0..7 {
        world.write(0, "milk", &[0; 900_000], OwnedHeaders::new()).await;
    }
    world.receive(3, 1, "milk").await;
    let id = MOCK_ID;
    for (partition, next, id) in [(0, 0, id), (1, 9, id), (2, 0, "another"), (3, 0, id)] {
        world.stand(partition, next, id).await;
    }
    let worker = world.worker().await;
    worker.until_complaint("stock/0", "gap: offsets 0 to").await;
    worker.until_complaint("stock/1", "beyond_end: the position 9").await;
    worker.until_complaint("stock/2", "topic_recreated: ").await;
    world.until_number(DELTAS, 1).await;
    assert_eq!(worker.complaint("stock/3"), None);
    // An operator says where to go on: the worker notices by itself.
    world.receive(1, 2, "milk").await;
    let moved = "UPDATE positions SET next_offset = 0, epoch = epoch + 1 WHERE partition = 1";
    sqlx::raw_sql(moved).execute(&world.pool).await.unwrap();
    world.until_number(DELTAS, 2).await;
    assert_eq!(worker.complaint("stock/1"), None);
    worker.until_complaint("stock/2", "topic_recreated: ").await;
    worker.stop().await;
}

#[sqlx::test(migrations = false)]
async fn a_partition_whose_next_schema_nobody_tells_stops_alone(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    // The registry of these tests is always away.
    let world = World::new(pool, options).await;
    let worker = world.worker().await;
    world.receive(0, 1, "milk").await;
    for id in 100..200_u8 {
        world.write(0, "tea", &[0, 0, 0, 9, id, 1], OwnedHeaders::new()).await;
    }
    world.receive(0, 2, "milk").await;
    worker.until_complaint("stock/0", "schema_unknown: the registry does not tell").await;
    world.receive(1, 3, "tea").await;
    world.until_number(DELTAS, 2).await;
    world.until_number("SELECT next_offset FROM positions WHERE partition = 0", 1).await;
    assert_eq!(worker.complaint("stock/1"), None);
    // Whoever comes to know the schemas lets it go on, by itself.
    {
        let mut decoder = worker.workers.shared.schemas.decoder();
        (100..200).for_each(|id| decoder.learn_absent(9 * 256 + id));
    }
    world.until_number(DELTAS, 3).await;
    world.until_number("SELECT count(*) FROM parked WHERE cause = 'foreign-schema'", 100).await;
    assert_eq!(worker.complaint("stock/0"), None);
    worker.stop().await;
}

#[sqlx::test(migrations = false)]
async fn a_partition_that_may_park_nothing_more_stops_alone_and_goes_on_when_there_is_room(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let world = World::new(pool, options).await;
    let full =
        "INSERT INTO parked (topic, partition, record_offset, cause, detail, blocks, headers,
                    recorded_at)
                SELECT 'stock', 9, n, 'x', 'y', false, '[]', now() FROM generate_series(1, 1000) n";
    sqlx::raw_sql(full).execute(&world.pool).await.unwrap();
    let worker = world.worker().await;
    for number in 1..=3 {
        world.receive(0, number, "milk").await;
        world.write(0, "milk", b"junk", OwnedHeaders::new()).await;
    }
    worker.until_complaint("stock/0", "parked_full: ").await;
    world.receive(1, 4, "tea").await;
    let of_tea = "SELECT next_offset FROM positions WHERE partition = 1";
    world.until_number(of_tea, 1).await;
    let discard = "UPDATE parked SET state = 'discarded'";
    sqlx::raw_sql(discard).execute(&world.pool).await.unwrap();
    world.until_number("SELECT next_offset FROM positions WHERE partition = 0", 6).await;
    assert_eq!(world.number(DELTAS).await, 4);
    assert_eq!(worker.complaint("stock/0"), None);
    worker.stop().await;
}

#[sqlx::test(migrations = false)]
async fn a_partition_where_everything_fails_trips_and_closes_with_the_first_success(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let world = World::new(pool, options).await;
    let worker = world.worker().await;
    // As a release that cannot apply what it reads: the database refuses all of it.
    let broken = "ALTER TABLE deltas ADD CONSTRAINT broken CHECK (delta > 1)";
    sqlx::raw_sql(broken).execute(&world.pool).await.unwrap();
    for number in 0..150 {
        world.receive(0, number, &format!("sku-{number}")).await;
    }
    worker.until_complaint("stock/0", "tripped: nothing was applied since").await;
    let parked = world.number("SELECT count(*) FROM parked").await;
    assert!(parked < 100, "{parked} records parked");
    world.receive(1, 999, "tea").await;
    assert_eq!(world.number("SELECT count(*) FROM positions WHERE tripped").await, 1);
    let claims = "SELECT epoch FROM positions WHERE partition = 0";
    let probed = world.number(claims).await + 3;
    while world.number(claims).await < probed {
        assert!(worker.complaint("stock/0").is_some(), "a probe alone makes nobody ready");
    }
    let mended = "ALTER TABLE deltas DROP CONSTRAINT broken";
    sqlx::raw_sql(mended).execute(&world.pool).await.unwrap();
    world.until_number("SELECT next_offset FROM positions WHERE partition = 0", 150).await;
    let all = world.number(DELTAS).await + world.number("SELECT count(*) FROM parked").await;
    assert_eq!(all, 151);
    assert_eq!(worker.complaint("stock/0"), None);
    assert_eq!(world.number("SELECT count(*) FROM positions WHERE tripped").await, 0);
    worker.stop().await;
}

#[sqlx::test(migrations = false)]
async fn a_partition_without_a_leader_does_not_hold_up_the_others(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let world = World::new(pool, options).await;
    let cluster = world.cluster.as_ref().unwrap();
    world.receive(1, 1, "tea").await;
    cluster.partition_leader("stock", 1, None).unwrap();
    world.receive(0, 2, "milk").await;
    let worker = world.worker().await;
    world.until_number(DELTAS, 1).await;
    assert!(worker.workers.handover.held().len() < PARTITIONS as usize);
    cluster.partition_leader("stock", 1, Some(1)).unwrap();
    world.until_number(DELTAS, 2).await;
    worker.stop().await;
}

#[sqlx::test(migrations = false)]
async fn the_end_of_the_log_is_asked_after_the_last_owner_has_ended(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let world = World::new(pool, options).await;
    world.stand(0, 0, MOCK_ID).await;
    // The last owner is about to commit what the log holds by then.
    let mut owner = world.pool.begin().await.unwrap();
    let moves = "UPDATE positions SET next_offset = 3 WHERE partition = 0";
    sqlx::query(moves).execute(&mut *owner).await.unwrap();
    let worker = world.worker().await;
    // With a statement in between, because a transaction that stands still is rolled back.
    let is_waiting = async || world.number(WAITING_FOR_A_LOCK).await == 1;
    let keep_alive = async {
        loop {
            sqlx::query("SELECT 1").execute(&mut *owner).await.unwrap();
            tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        }
    };
    tokio::select! {
        () = eventually("the worker waits for the last owner", is_waiting) => {}
        () = keep_alive => {}
    }
    for number in 1..=4 {
        world.receive(0, number, "milk").await;
    }
    owner.commit().await.unwrap();
    world.until_number("SELECT next_offset FROM positions WHERE partition = 0", 4).await;
    assert_eq!(world.number(DELTAS).await, 1);
    assert_eq!(worker.complaint("stock/0"), None);
    worker.stop().await;
}

#[sqlx::test(migrations = false)]
async fn the_next_worker_goes_on_where_the_last_one_stopped(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let world = World::new(pool, options).await;
    world.receive(2, 1, "milk").await;
    let first = world.worker().await;
    world.until_number(DELTAS, 1).await;
    first.stop().await;
    world.receive(2, 2, "milk").await;
    let second = world.worker().await;
    second.until_holding(PARTITIONS as usize).await;
    world.until_number(DELTAS, 2).await;
    assert_eq!(world.number("SELECT epoch FROM positions WHERE partition = 2").await, 2);
    second.stop().await;
}
