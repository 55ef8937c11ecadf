//! What a worker does when the database or a record is not as it should be.

use std::time::Duration;

use kafka_client::KafkaSettings;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::message::OwnedHeaders;
use relay::{Ending, Relay};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use waiting::{WAITING_FOR_A_LOCK, WITHIN, eventually};

use super::world::{MOCK_ID, World};
use crate::testing::shelf::shelf;

const DELTAS: &str = "SELECT count(*) FROM deltas";

#[sqlx::test(migrations = false)]
async fn a_position_that_went_back_is_fetched_again(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let world = World::new(pool, options).await;
    let worker = world.worker().await;
    for number in 1..=3 {
        world.receive(0, number, "milk").await;
    }
    world.until_number(DELTAS, 3).await;
    // As a standby that was promoted without the last commits.
    let lost = "TRUNCATE deltas; UPDATE positions SET next_offset = 0 WHERE partition = 0";
    sqlx::raw_sql(lost).execute(&world.pool).await.unwrap();
    world.receive(0, 4, "milk").await;
    world.until_number("SELECT next_offset FROM positions WHERE partition = 0", 4).await;
    assert_eq!(world.number(DELTAS).await, 4);
    worker.stop().await;
}

#[sqlx::test(migrations = false)]
async fn a_record_that_can_neither_be_applied_nor_parked_is_named_until_it_can(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let world = World::new(pool, options).await;
    let never = "ALTER TABLE parked ADD CONSTRAINT never CHECK (cause <> 'undecodable')";
    sqlx::raw_sql(never).execute(&world.pool).await.unwrap();
    let worker = world.worker().await;
    world.receive(0, 1, "milk").await;
    world.write(0, "milk", b"junk", OwnedHeaders::new()).await;
    world.receive(0, 2, "milk").await;
    worker.until_complaint("postgres", "neither applied nor parked").await;
    let allowed = "ALTER TABLE parked DROP CONSTRAINT never";
    sqlx::raw_sql(allowed).execute(&world.pool).await.unwrap();
    world.until_number(DELTAS, 2).await;
    assert_eq!(world.number("SELECT record_offset FROM parked").await, 1);
    worker.stop().await;
}

/// As a disk on which a statement of more rows than these takes longer than a statement may.
async fn slow_beyond(world: &World, rows: usize) {
    let slow = format!(
        "CREATE OR REPLACE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
             IF (SELECT count(*) FROM new_rows) > {rows} THEN
                 RAISE EXCEPTION 'statement timeout' USING ERRCODE = '57014';
             END IF; RETURN NULL; END $$;
         CREATE OR REPLACE TRIGGER slow AFTER INSERT ON deltas REFERENCING NEW TABLE AS new_rows
             FOR EACH STATEMENT EXECUTE FUNCTION slow()"
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(slow)).execute(&world.pool).await.unwrap();
}

#[sqlx::test(migrations = false)]
async fn a_slow_batch_is_halved_and_a_slow_record_waits_and_never_parks(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let world = World::new(pool, options).await;
    slow_beyond(&world, 2).await;
    for number in 1..=20 {
        world.receive(0, number, "milk").await;
    }
    let worker = world.worker().await;
    world.until_number(DELTAS, 20).await;
    slow_beyond(&world, 0).await;
    world.receive(0, 21, "milk").await;
    worker.until_complaint("postgres", "not available").await;
    assert_eq!(world.number("SELECT count(*) FROM parked").await, 0);
    slow_beyond(&world, 1).await;
    world.until_number(DELTAS, 21).await;
    worker.stop().await;
}

#[sqlx::test(migrations = false)]
async fn a_backlog_of_many_batches_is_applied(pool: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(pool, options).await;
    // Twenty batches, five times as many as may wait for the worker.
    let receive = |number| world.receive(0, number, "milk");
    futures::future::join_all((1..=2000).map(receive)).await;
    let worker = world.worker().await;
    world.until_number(DELTAS, 2000).await;
    assert_eq!(world.number("SELECT next_offset FROM positions WHERE partition = 0").await, 2000);
    worker.stop().await;
}

#[sqlx::test(migrations = false)]
async fn a_worker_whose_database_is_away_while_it_claims_stops_within_seconds(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let world = World::new(pool, options).await;
    let worker = world.worker().await;
    let has_probed = async || worker.complaint("postgres").is_none();
    eventually("the database was there", has_probed).await;
    world.pool.close().await;
    worker.until_complaint("postgres", "not available").await;
    let took = worker.stop().await;
    assert!(took < Duration::from_secs(8), "{took:?}");
}

#[sqlx::test(migrations = false)]
async fn a_topic_that_is_created_anew_under_a_running_worker_stops_its_partitions(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    // The mock cannot delete a topic.
    let servers = chassis::settings::required("KAFKA_BOOTSTRAP_SERVERS").unwrap();
    let prefix = format!("test-{}-", uuid::Uuid::now_v7());
    let kafka = KafkaSettings::at(servers, prefix);
    let topic = kafka.prefixed("stock");
    let admin: AdminClient<DefaultClientContext> = kafka.client("test").create().unwrap();
    let options_of_admin = AdminOptions::new().operation_timeout(Some(WITHIN));
    let create = async || {
        let new = NewTopic::new(&topic, 1, TopicReplication::Fixed(1));
        admin.create_topics([&new], &options_of_admin).await.unwrap().remove(0).is_ok()
    };
    assert!(create().await);
    let world = World::at(None, kafka, shelf(pool, options).await);
    let worker = world.worker().await;
    world.receive(0, 1, "milk").await;
    world.until_number(DELTAS, 1).await;
    admin.delete_topics(&[&topic], &options_of_admin).await.unwrap();
    eventually("the topic is there again", create).await;
    // As many as before, so that the position lies inside the new log.
    world.receive(0, 2, "milk").await;
    worker.until_complaint(&format!("{topic}/0"), "topic_recreated").await;
    worker.stop().await;
    admin.delete_topics(&[&topic], &options_of_admin).await.unwrap();
}

#[sqlx::test(migrations = false)]
async fn a_position_that_its_last_owner_keeps_locked_holds_up_no_other_partition(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let world = World::new(pool, options).await;
    // Beyond its log, so that it is claimed again every few seconds.
    world.stand(1, 5, MOCK_ID).await;
    let worker = world.worker().await;
    worker.until_complaint("stock/1", "").await;
    worker.until_holding(4).await;

    let mut frozen = world.pool.begin().await.unwrap();
    let lock = "SELECT 1 FROM positions WHERE partition = 1 FOR UPDATE";
    sqlx::query(lock).execute(&mut *frozen).await.unwrap();
    world.until_number(WAITING_FOR_A_LOCK, 1).await;
    world.receive(0, 1, "milk").await;
    world.until_number(DELTAS, 1).await;
    assert_eq!(world.number(WAITING_FOR_A_LOCK).await, 1, "the claim waits on");
    frozen.rollback().await.unwrap();
    worker.stop().await;
}

#[sqlx::test(migrations = false)]
async fn a_probe_whose_commit_was_in_doubt_closes_the_breaker(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let relay = Relay::to(&format!("{}:{}", options.get_host(), options.get_port())).await;
    let through = options.host("127.0.0.1").port(relay.address().port());
    let world = World::new(pool, through).await;
    world.stand(0, 0, MOCK_ID).await;
    let tripped = "UPDATE positions SET tripped = true";
    sqlx::query(tripped).execute(&world.pool).await.unwrap();
    relay.lose_the_answer_to(b"COMMIT", Ending::Reset);
    world.receive(0, 1, "milk").await;
    let worker = world.worker().await;
    world.until_number("SELECT next_offset FROM positions WHERE partition = 0", 1).await;
    assert!(relay.has_lost());

    // Alone, as a further probe that fails would be.
    world.write(0, "milk", b"junk", OwnedHeaders::new()).await;
    world.until_number("SELECT count(*) FROM parked", 1).await;
    assert_eq!(worker.complaint("stock/0"), None);
    worker.stop().await;
}
