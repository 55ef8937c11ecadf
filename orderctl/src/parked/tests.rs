//! The operator's word in a real Postgres, with rows put by hand. No process takes anything up.

use clap::Parser;
use sqlx::{PgConnection, PgPool};
use waiting::{WAITING_FOR_A_LOCK, eventually};

use super::Command;
use crate::exit::{Outcome, Usage};
use crate::testing::RUNTIME;

/// Of `a` a cause (1) and two behind it (2, 3); one without a subject (4); of `b` a quarantined one (5)
/// and one behind it (6).
const ROWS: &str = "
    CREATE SCHEMA inventory; SET search_path = inventory;
    INSERT INTO positions VALUES ('orders', 3, 'id', 1, 100);
    INSERT INTO parked (topic, partition, record_offset, subject, cause, detail, blocks, headers,
        recorded_at, state, redrives_failed)
    SELECT 'orders', 3, row_number() OVER (), subject, cause, '', true, '[]', now(), state, failed
    FROM (VALUES ('a', 'undecodable', 'parked', 0), ('a', 'blocked', 'parked', 0),
                 ('a', 'blocked', 'parked', 0), (NULL, 'undecodable', 'parked', 0),
                 ('b', 'unlucky', 'quarantined', 3), ('b', 'blocked', 'parked', 0))
        AS rows (subject, cause, state, failed);";

pub(super) async fn desk(pool: &PgPool) -> PgConnection {
    let mut admin = pool.acquire().await.unwrap().detach();
    let (schema, rows) = ROWS.split_once("INSERT").unwrap();
    sqlx::raw_sql(schema).execute(&mut admin).await.unwrap();
    sqlx::raw_sql(RUNTIME).execute(&mut admin).await.unwrap();
    let rows = sqlx::AssertSqlSafe(format!("INSERT{rows}"));
    sqlx::raw_sql(rows).execute(&mut admin).await.unwrap();
    admin
}

#[derive(Parser)]
pub(super) struct Line {
    #[command(subcommand)]
    command: Command,
}

pub(super) fn parse(line: &str) -> Result<Line, clap::Error> {
    Line::try_parse_from(["parked"].into_iter().chain(line.split(' ')))
}

/// As it would be typed behind `orderctl parked`.
pub(super) async fn run(admin: &mut PgConnection, line: &str) -> anyhow::Result<Outcome> {
    parse(line).unwrap_or_else(|error| panic!("{line}: {error}")).command.run_as(admin).await
}

pub(super) async fn numbers(admin: &mut PgConnection, query: &'static str) -> Vec<i64> {
    sqlx::query_scalar(query).fetch_all(admin).await.unwrap()
}

const ASKED: &str = "SELECT head FROM redrive_sequences WHERE state = 'waiting' ORDER BY head";
const DISCARDED: &str = "SELECT id FROM parked WHERE state = 'discarded' ORDER BY id";

#[sqlx::test]
async fn a_redrive_is_asked_for_sequence_by_sequence_and_told(pool: PgPool) {
    let mut admin = desk(&pool).await;
    let line = "redrive --projection inventory --cause undecodable --rate 5 --actor ada --no-wait";
    assert_eq!(run(&mut admin, line).await.unwrap(), Outcome::Fine);
    assert_eq!(numbers(&mut admin, ASKED).await, [1, 4]);
    let told: Vec<(String, String, i64, serde_json::Value)> =
        sqlx::query_as("SELECT actor, action, parked_id, detail FROM audit ORDER BY id")
            .fetch_all(&mut admin)
            .await
            .unwrap();
    let detail = serde_json::json!({ "dry_run": false, "rate": 5 });
    let requested = |id| ("ada".to_owned(), "redrive-requested".to_owned(), id, detail.clone());
    assert_eq!(told, [requested(1), requested(4)]);
}

#[sqlx::test]
async fn what_is_quarantined_or_under_way_is_left_alone(pool: PgPool) {
    let mut admin = desk(&pool).await;
    let dry = "redrive --projection inventory --all --dry-run --no-wait";
    assert_eq!(run(&mut admin, dry).await.unwrap(), Outcome::Differs, "b is quarantined");
    let of_a = "redrive --projection inventory --order a --no-wait";
    assert_eq!(run(&mut admin, of_a).await.unwrap(), Outcome::Fine, "a dry run is in nobody's way");
    let all = "redrive --projection inventory --all --no-wait";
    assert_eq!(run(&mut admin, all).await.unwrap(), Outcome::Differs);
    let of_the_last = "SELECT head FROM redrive_sequences WHERE redrive_id = 3";
    assert_eq!(numbers(&mut admin, of_the_last).await, [4]);
    let release = "release --projection inventory --order b";
    assert_eq!(run(&mut admin, release).await.unwrap(), Outcome::Fine);
    let of_b = "redrive --projection inventory --order b --no-wait";
    assert_eq!(run(&mut admin, of_b).await.unwrap(), Outcome::Fine);
    let fresh = "SELECT id FROM parked WHERE state = 'parked' AND redrives_failed = 0 AND id = 5";
    assert_eq!(numbers(&mut admin, fresh).await, [5]);
}

#[sqlx::test]
async fn what_waits_behind_another_is_not_redriven_alone(pool: PgPool) {
    let mut admin = desk(&pool).await;
    let line = "redrive --projection inventory --id 2 --no-wait";
    let refused = run(&mut admin, line).await.unwrap_err();
    assert_eq!(refused.downcast::<Usage>().unwrap().0, "record 2 waits behind 1: redrive that one");
    assert!(numbers(&mut admin, ASKED).await.is_empty());
}

#[sqlx::test]
async fn a_cancelled_redrive_has_ended_and_is_told(pool: PgPool) {
    let mut admin = desk(&pool).await;
    run(&mut admin, "redrive --projection inventory --order a --no-wait").await.unwrap();
    run(&mut admin, "redrives --projection inventory --cancel 1").await.unwrap();
    assert!(numbers(&mut admin, ASKED).await.is_empty());
    let ended = "SELECT id FROM redrives WHERE ended_at IS NOT NULL";
    assert_eq!(numbers(&mut admin, ended).await, [1]);
    let followed = run(&mut admin, "redrives --projection inventory --follow 1").await.unwrap();
    assert_eq!(followed, Outcome::Differs);
    let told = "SELECT parked_id FROM audit WHERE action = 'redrive-cancelled'";
    assert_eq!(numbers(&mut admin, told).await, [1]);
    assert!(run(&mut admin, "redrives --projection inventory --cancel 1").await.is_err());
}

#[sqlx::test]
async fn a_discard_takes_only_what_it_names_and_a_dry_one_nothing(pool: PgPool) {
    let mut admin = desk(&pool).await;
    let line = "discard --projection inventory --cause undecodable --reason test";
    run(&mut admin, &format!("{line} --dry-run")).await.unwrap();
    assert!(numbers(&mut admin, DISCARDED).await.is_empty());
    assert!(numbers(&mut admin, "SELECT id FROM audit").await.is_empty());
    assert_eq!(run(&mut admin, line).await.unwrap(), Outcome::Fine);
    assert_eq!(numbers(&mut admin, DISCARDED).await, [1, 4]);
    let told = "SELECT parked_id FROM audit WHERE action = 'discarded'
                AND detail ->> 'reason' = 'test' ORDER BY id";
    assert_eq!(numbers(&mut admin, told).await, [1, 4]);
    // What waited behind it is the first of its subject now.
    run(&mut admin, "redrive --projection inventory --order a --no-wait").await.unwrap();
    assert_eq!(numbers(&mut admin, ASKED).await, [2]);
}

#[sqlx::test]
async fn a_discard_waits_for_the_batch_that_moves_a_position(pool: PgPool) {
    let mut admin = desk(&pool).await;
    let mut batch = pool.begin().await.unwrap();
    let moves = "UPDATE inventory.positions SET next_offset = 101";
    sqlx::query(moves).execute(&mut *batch).await.unwrap();
    let line = "discard --projection inventory --order a --reason test";
    let discarding = tokio::spawn(async move { run(&mut admin, line).await.unwrap() });
    let waiting = async || {
        let count = sqlx::query_scalar::<_, i64>(WAITING_FOR_A_LOCK);
        count.fetch_one(&pool).await.unwrap()
    };
    eventually("it waits", async || waiting().await > 0).await;
    let behind = "INSERT INTO inventory.parked (topic, partition, record_offset, subject, cause,
                      detail, blocks, headers, recorded_at)
                  VALUES ('orders', 3, 100, 'a', 'blocked', '', true, '[]', now())";
    sqlx::query(behind).execute(&mut *batch).await.unwrap();
    batch.commit().await.unwrap();
    discarding.await.unwrap();
    let discarded = "SELECT count(*) FROM inventory.parked WHERE state = 'discarded'";
    let discarded: i64 = sqlx::query_scalar(discarded).fetch_one(&pool).await.unwrap();
    assert_eq!(discarded, 4, "the one that parked meanwhile, too");
}

#[sqlx::test]
async fn what_is_parked_can_be_listed_and_shown(pool: PgPool) {
    let mut admin = desk(&pool).await;
    for line in [
        "list --projection inventory",
        "list --projection inventory --state discarded --limit 1",
        "show --projection inventory 1 --with-personal-data",
        "redrives --projection inventory",
    ] {
        assert_eq!(run(&mut admin, line).await.unwrap(), Outcome::Fine, "{line}");
    }
    assert!(run(&mut admin, "show --projection inventory 99").await.is_err());
}
