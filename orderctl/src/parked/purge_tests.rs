//! What `parked purge` removes, in a real Postgres, with rows put by hand.

use sqlx::PgPool;

use super::tests::{desk, numbers, parse, run};
use crate::exit::Outcome;

/// Beside those of `tests.rs`: 7 to 9 are discarded; 7 is of orders and a month old, 8 of stock, 9 of
/// another cause.
const DISCARDED: &str = "
    INSERT INTO parked (topic, topic_id, partition, record_offset, subject, cause, detail, blocks,
        headers, recorded_at, parked_at, state)
    SELECT topic, 'tid', 3, record_offset, subject, cause, '', true, '[]', now(), now() - age,
        'discarded'
    FROM (VALUES (1, 'orders', 17, 'o7', 'undecodable', interval '31 days'),
                 (2, 'stock', 18, 's8', 'undecodable', interval '1 day'),
                 (3, 'orders', 19, NULL, 'no-value', interval '1 day'))
        AS rows (n, topic, record_offset, subject, cause, age) ORDER BY n";

const LEFT: &str = "SELECT id FROM parked ORDER BY id";

async fn purging(pool: &PgPool, which: &str) -> (Outcome, Vec<i64>) {
    let mut admin = desk(pool).await;
    sqlx::raw_sql(DISCARDED).execute(&mut admin).await.unwrap();
    let line = format!("purge --projection inventory {which} --reason test --actor ada");
    let outcome = run(&mut admin, &line).await.unwrap();
    let left = numbers(&mut admin, LEFT).await;
    sqlx::raw_sql("ALTER SCHEMA inventory RENAME TO before").execute(&mut admin).await.unwrap();
    sqlx::raw_sql("DROP SCHEMA before CASCADE").execute(&mut admin).await.unwrap();
    (outcome, left)
}

#[sqlx::test]
async fn what_was_discarded_and_fits_leaves_the_table_and_nothing_else(pool: PgPool) {
    for (which, left) in [
        ("--older-than 30d", vec![1, 2, 3, 4, 5, 6, 8, 9]),
        ("--older-than 0s", vec![1, 2, 3, 4, 5, 6]),
        ("--topic stock", vec![1, 2, 3, 4, 5, 6, 7, 9]),
        ("--cause undecodable --state discarded", vec![1, 2, 3, 4, 5, 6, 9]),
        ("--cause undecodable --older-than 2d", vec![1, 2, 3, 4, 5, 6, 8, 9]),
        ("--subject s8", vec![1, 2, 3, 4, 5, 6, 7, 9]),
        ("--id 9", vec![1, 2, 3, 4, 5, 6, 7, 8]),
        ("--id 1", vec![1, 2, 3, 4, 5, 6, 7, 8, 9]),
        ("--older-than 0s --dry-run", vec![1, 2, 3, 4, 5, 6, 7, 8, 9]),
    ] {
        assert_eq!(purging(&pool, which).await, (Outcome::Fine, left), "{which}");
    }
}

#[sqlx::test]
async fn what_was_purged_is_told_record_by_record_and_clients_hear_what_they_heard(pool: PgPool) {
    let mut admin = desk(&pool).await;
    sqlx::raw_sql(DISCARDED).execute(&mut admin).await.unwrap();
    let subjects = "SELECT (SELECT count(*) FROM parked_subjects
                            WHERE subject = 'o7' AND state = 'discarded')";
    assert_eq!(numbers(&mut admin, subjects).await, [1]);
    let line = "purge --projection inventory --older-than 30d --reason old --actor ada";
    run(&mut admin, line).await.unwrap();
    let told: Vec<(String, String, i64, i64, String, String)> = sqlx::query_as(
        "SELECT actor, action, parked_id, record_offset, detail ->> 'topic_id',
             detail ->> 'reason' FROM audit",
    )
    .fetch_all(&mut admin)
    .await
    .unwrap();
    let [ada, purged, tid, old] = ["ada", "purged", "tid", "old"].map(str::to_owned);
    assert_eq!(told, [(ada, purged, 7, 17, tid, old)]);
    assert_eq!(numbers(&mut admin, subjects).await, [1]);
}

#[sqlx::test]
async fn a_rate_makes_small_batches_and_what_somebody_holds_is_left(pool: PgPool) {
    let mut admin = desk(&pool).await;
    sqlx::raw_sql(DISCARDED).execute(&mut admin).await.unwrap();
    let mut other = pool.begin().await.unwrap();
    let hold = "SELECT FROM inventory.parked WHERE id = 8 FOR UPDATE";
    sqlx::query(hold).execute(&mut *other).await.unwrap();
    let begun = std::time::Instant::now();
    let line = "purge --projection inventory --older-than 0s --rate 1 --reason test";
    run(&mut admin, line).await.unwrap();
    assert!(begun.elapsed().as_secs_f64() >= 2.0, "one a second");
    let apart = "SELECT count(DISTINCT xmin::text) FROM audit";
    assert_eq!(numbers(&mut admin, apart).await, [2], "a transaction for each batch");
    assert_eq!(numbers(&mut admin, "SELECT id FROM parked WHERE id > 6").await, [8]);
}

#[test]
fn what_may_still_be_applied_and_everything_at_once_is_refused() {
    for line in [
        "purge --projection inventory --reason test",
        "purge --projection inventory --older-than 30d",
        "purge --projection inventory --older-than 30d --state parked --reason test",
        "purge --projection inventory --older-than 30d --state quarantined --reason test",
        "purge --projection inventory --older-than yesterday --reason test",
        "purge --projection inventory --older-than 30d --rate 0 --reason test",
    ] {
        assert!(parse(line).is_err(), "{line}");
    }
}
