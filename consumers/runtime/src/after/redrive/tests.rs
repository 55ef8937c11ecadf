//! Redrives step by step, against a real Postgres.

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use waiting::{WAITING_FOR_A_LOCK, WITHIN};

use super::step;
use crate::backoff::Step;
use crate::shared::Shared;
use crate::testing::shelf::{ALWAYS_OVERTAKEN, Shelf, value};
use crate::tests::world::World;

/// What parked: partition, number of the event, SKU, delta.
type Parked = (i32, i64, &'static str, i64);

/// Under a schema that the registry is not there to explain, unless it is 1.
async fn park(world: &World, records: &[Parked]) {
    for (offset, (partition, number, sku, delta)) in records.iter().enumerate() {
        let insert = "INSERT INTO parked (topic, partition, record_offset, subject, cause, detail,
                          blocks, record_key, payload, headers, recorded_at)
                      VALUES ('stock', $1, $2, $3, 'unlucky', 'then', true, $4, $5, '[]', now())";
        sqlx::query(insert)
            .bind(partition)
            .bind(i64::try_from(offset).unwrap())
            .bind(sku)
            .bind(sku.as_bytes())
            .bind(value(*number, sku, *delta))
            .execute(&world.pool)
            .await
            .unwrap();
    }
    for partition in 0..2 {
        world.stand(partition, 100, "id").await;
    }
}

/// Asks for everything that is parked, as orderctl does.
async fn ask(world: &World, dry_run: bool, rate: Option<i32>) -> i64 {
    let request = "INSERT INTO redrives (requested_by, dry_run, rate) VALUES ('ada', $1, $2)
                   RETURNING id";
    let request = sqlx::query_scalar(request).bind(dry_run).bind(rate);
    let id: i64 = request.fetch_one(&world.pool).await.unwrap();
    let sequences = "INSERT INTO redrive_sequences (redrive_id, head, topic, subject)
                     SELECT $1, min(id), topic, subject FROM parked WHERE state = 'parked'
                     GROUP BY topic, subject";
    sqlx::query(sequences).bind(id).execute(&world.pool).await.unwrap();
    id
}

/// Every step that there is.
async fn run(shared: &Shared) {
    let mut steps = 0;
    while step::<Shelf>(shared).await.unwrap() != Step::NothingToDo {
        steps += 1;
        assert!(steps < 50, "it goes on for ever");
    }
}

/// Head's subject, state, applied, failure.
type Sequence = (Option<String>, String, i64, Option<String>);

async fn sequences(world: &World, redrive: i64) -> Vec<Sequence> {
    let all = "SELECT subject, state, applied, failure FROM redrive_sequences
               WHERE redrive_id = $1 ORDER BY head";
    sqlx::query_as(all).bind(redrive).fetch_all(&world.pool).await.unwrap()
}

fn done(subject: &str, applied: i64) -> Sequence {
    (Some(subject.to_owned()), "done".to_owned(), applied, None)
}

fn failed(subject: &str, applied: i64, why: &str) -> Sequence {
    (Some(subject.to_owned()), "failed".to_owned(), applied, Some(why.to_owned()))
}

const UNLUCKY: &str = "unlucky: 13 is not kept";
const DELTAS: &str = "SELECT count(*) FROM deltas";
const PARKED: &str = "SELECT count(*) FROM parked";
const ENDED: &str = "SELECT count(*) FROM redrives WHERE ended_at IS NOT NULL";

#[sqlx::test]
async fn a_sequence_is_applied_in_order_and_leaves_the_table(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let world = World::new(pool, options).await;
    park(&world, &[(0, 1, "a", 1), (1, 2, "b", 2), (0, 3, "a", 3)]).await;
    let redrive = ask(&world, false, None).await;
    let shared = world.shared().await;
    run(&shared).await;
    assert_eq!(sequences(&world, redrive).await, [done("a", 2), done("b", 1)]);
    assert_eq!(world.number(DELTAS).await, 3);
    assert_eq!(world.number(PARKED).await, 0);
    assert_eq!(world.number(ENDED).await, 1);
    let told: Vec<(String, String, i64)> =
        sqlx::query_as("SELECT actor, action, record_offset FROM audit ORDER BY id")
            .fetch_all(&world.pool)
            .await
            .unwrap();
    let redriven = |offset| ("ada".to_owned(), "redriven".to_owned(), offset);
    assert_eq!(told, [redriven(0), redriven(1), redriven(2)]);
}

#[sqlx::test]
async fn a_store_that_is_always_overtaken_ends_the_step(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let world = World::new(pool, options).await;
    park(&world, &[(0, 1, "a", ALWAYS_OVERTAKEN)]).await;
    ask(&world, false, None).await;
    let shared = world.shared().await;
    let ended = tokio::time::timeout(WITHIN, step::<Shelf>(&shared)).await.unwrap();
    assert!(ended.unwrap_err().to_string().contains("another batch changed"));
    assert_eq!(world.number(PARKED).await, 1);
}

#[sqlx::test]
async fn a_record_that_fails_again_blocks_its_sequence_and_no_other(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let world = World::new(pool, options).await;
    let records = [(0, 1, "a", 1), (0, 2, "a", 13), (0, 3, "a", 3), (0, 4, "b", 4)];
    park(&world, &records).await;
    let redrive = ask(&world, false, None).await;
    run(&*world.shared().await).await;
    assert_eq!(sequences(&world, redrive).await, [failed("a", 1, UNLUCKY), done("b", 1)]);
    let left: Vec<(i64, String, i32)> =
        sqlx::query_as("SELECT record_offset, state, redrives_failed FROM parked ORDER BY id")
            .fetch_all(&world.pool)
            .await
            .unwrap();
    assert_eq!(left, [(1, "parked".to_owned(), 1), (2, "parked".to_owned(), 0)]);
    assert_eq!(world.number("SELECT sum(delta) FROM deltas").await, 5);
}

#[sqlx::test]
async fn the_third_failure_quarantines_a_record_and_nothing_passes_it(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let world = World::new(pool, options).await;
    park(&world, &[(0, 1, "a", 13), (0, 2, "a", 2)]).await;
    let shared = world.shared().await;
    for _ in 0..3 {
        ask(&world, false, None).await;
        run(&shared).await;
    }
    let quarantined = "SELECT count(*) FROM parked WHERE state = 'quarantined' AND attempts = 4";
    assert_eq!(world.number(quarantined).await, 1);
    let redrive = ask(&world, false, None).await;
    run(&shared).await;
    let why = "a record of it is quarantined";
    assert_eq!(sequences(&world, redrive).await, [failed("a", 0, why)]);
    assert_eq!(world.number(DELTAS).await, 0);
    let told = "SELECT count(*) FROM audit WHERE action = 'quarantined'";
    assert_eq!(world.number(told).await, 1);
}

#[sqlx::test]
async fn a_dry_run_says_what_would_be_and_leaves_everything(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let world = World::new(pool, options).await;
    park(&world, &[(0, 1, "a", 1), (0, 2, "a", 13), (0, 3, "b", 99), (0, 4, "c", 4)]).await;
    let before = "UPDATE parked SET cause = 'refused-by-database', detail = 'a check of it'
                  WHERE subject = 'b'";
    sqlx::raw_sql(before).execute(&world.pool).await.unwrap();
    let redrive = ask(&world, true, None).await;
    run(&*world.shared().await).await;
    let refused = "refused-by-database: a check of it";
    let expected = [failed("a", 1, UNLUCKY), failed("b", 0, refused), done("c", 1)];
    assert_eq!(sequences(&world, redrive).await, expected);
    for (query, expected) in [(DELTAS, 0), (PARKED, 4), (ENDED, 1)] {
        assert_eq!(world.number(query).await, expected, "{query}");
    }
    assert_eq!(world.number("SELECT count(*) FROM parked WHERE redrives_failed > 0").await, 0);
    assert_eq!(world.number("SELECT count(*) FROM loads").await, 0);
}

#[sqlx::test]
async fn a_record_that_the_database_refuses_fails_alone(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let world = World::new(pool, options).await;
    let mut records: Vec<Parked> = vec![(0, 1, "a", 1), (0, 2, "b", 99), (0, 3, "b", 3)];
    records.extend((4..10).map(|number| (0, number, "c", 1)));
    park(&world, &records).await;
    ask(&world, false, None).await;
    run(&*world.shared().await).await;
    assert_eq!(world.number(DELTAS).await, 7);
    assert_eq!(world.number("SELECT count(*) FROM parked WHERE subject = 'b'").await, 2);
    assert_eq!(world.number(PARKED).await, 2);
}

#[sqlx::test]
async fn a_rate_makes_small_steps_and_pauses(pool: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(pool, options).await;
    park(&world, &[(0, 1, "a", 1), (0, 2, "a", 2), (0, 3, "a", 3), (0, 4, "b", 4)]).await;
    ask(&world, false, Some(2)).await;
    let shared = world.shared().await;
    assert_eq!(step::<Shelf>(&shared).await.unwrap(), Step::Taken);
    assert_eq!(world.number(DELTAS).await, 2);
    assert_eq!(step::<Shelf>(&shared).await.unwrap(), Step::NothingToDo, "two a second");
    let paused = "SELECT count(*) FROM redrives
                  WHERE next_step_at BETWEEN now() AND now() + interval '1 second'";
    assert_eq!(world.number(paused).await, 1);
    // What parks behind it meanwhile is of the sequence, too.
    let later =
        "INSERT INTO parked (topic, partition, record_offset, subject, cause, detail, blocks,
                     record_key, payload, headers, recorded_at)
                 SELECT topic, partition, 9, subject, 'blocked', '', true, record_key, $1, headers,
                     recorded_at FROM parked WHERE subject = 'a'";
    let later = sqlx::query(later).bind(value(9, "a", 9));
    later.execute(&world.pool).await.unwrap();
    sqlx::raw_sql("UPDATE redrives SET next_step_at = now(), rate = NULL")
        .execute(&world.pool)
        .await
        .unwrap();
    run(&shared).await;
    assert_eq!(world.number(DELTAS).await, 5);
}

#[sqlx::test]
async fn a_record_refused_by_a_rule_is_settled_and_leaves_the_table(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let world = World::new(pool, options).await;
    park(&world, &[(0, 1, "a", -13), (0, 2, "a", 2)]).await;
    let redrive = ask(&world, false, None).await;
    let shared = world.shared().await;
    run(&shared).await;
    assert_eq!(sequences(&world, redrive).await, [done("a", 2)]);
    assert_eq!((world.number(PARKED).await, world.number(DELTAS).await), (0, 1));
}

#[sqlx::test]
async fn a_step_waits_for_the_batch_that_moves_its_partition(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let world = World::new(pool, options).await;
    park(&world, &[(0, 1, "a", 1)]).await;
    ask(&world, false, None).await;
    let shared = world.shared().await;
    // A batch that parks another record of the subject, about to commit.
    let mut batch = world.pool.begin().await.unwrap();
    let moves = "UPDATE positions SET next_offset = 101 WHERE partition = 0";
    sqlx::query(moves).execute(&mut *batch).await.unwrap();
    let stepping = tokio::spawn(async move { step::<Shelf>(&shared).await.unwrap() });
    world.until_number(WAITING_FOR_A_LOCK, 1).await;
    let behind =
        "INSERT INTO parked (topic, partition, record_offset, subject, cause, detail, blocks,
                      record_key, payload, headers, recorded_at)
                  VALUES ('stock', 0, 100, 'a', 'blocked', '', true, 'a', $1, '[]', now())";
    sqlx::query(behind).bind(value(2, "a", 2)).execute(&mut *batch).await.unwrap();
    batch.commit().await.unwrap();
    assert_eq!(stepping.await.unwrap(), Step::Taken);
    assert_eq!(world.number(DELTAS).await, 2, "the one that came meanwhile, too");
    assert_eq!(world.number(PARKED).await, 0);
}

#[sqlx::test]
async fn a_dry_run_waits_for_no_batch_and_heeds_its_rate(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let world = World::new(pool, options).await;
    park(&world, &[(0, 1, "a", 1), (0, 2, "a", 2), (1, 3, "b", 3)]).await;
    let redrive = ask(&world, true, Some(2)).await;
    // Batches of both partitions, about to commit.
    let mut batch = world.pool.begin().await.unwrap();
    sqlx::query("UPDATE positions SET next_offset = 101").execute(&mut *batch).await.unwrap();
    sqlx::query("LOCK TABLE deltas IN ROW EXCLUSIVE MODE").execute(&mut *batch).await.unwrap();
    let shared = world.shared().await;
    let stepping = tokio::time::timeout(WITHIN, step::<Shelf>(&shared));
    assert_eq!(stepping.await.unwrap().unwrap(), Step::Rest);
    batch.commit().await.unwrap();
    assert_eq!(step::<Shelf>(&shared).await.unwrap(), Step::NothingToDo, "two a second");
    let waiting = (Some("b".to_owned()), "waiting".to_owned(), 0, None);
    assert_eq!(sequences(&world, redrive).await, [done("a", 2), waiting]);
}

#[sqlx::test]
async fn a_redrive_that_asks_the_registry_keeps_no_batch_waiting(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let world = World::new(pool, options).await;
    park(&world, &[(0, 1, "a", 1)]).await;
    // Under a schema that only the registry knows, which takes the question and says nothing.
    let foreign = "UPDATE parked SET payload = set_byte(payload, 4, 77)";
    sqlx::raw_sql(foreign).execute(&world.pool).await.unwrap();
    ask(&world, false, None).await;
    let registry = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", registry.local_addr().unwrap());
    let shared = world.shared_with(|settings| settings.registry_url = url).await;
    let stepping = tokio::spawn(async move { step::<Shelf>(&shared).await });
    let _asked = tokio::time::timeout(WITHIN, registry.accept()).await.unwrap().unwrap();
    let held = "SELECT count(*) FROM pg_stat_activity
                WHERE datname = current_database() AND state LIKE 'idle in transaction%'";
    assert_eq!(world.number(held).await, 0);
    // A batch of the partition moves its position.
    let moves = "SET lock_timeout = '1s'; UPDATE positions SET next_offset = 101";
    let mut batch = world.pool.acquire().await.unwrap();
    sqlx::raw_sql(moves).execute(&mut *batch).await.unwrap();
    assert!(!stepping.is_finished(), "it asks still");
    stepping.abort();
}
