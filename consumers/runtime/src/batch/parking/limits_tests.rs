//! What counting parked records costs, in a real Postgres. Whether a worker stops is in
//! `apply_batch/tests/stops.rs`.

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use super::*;
use crate::testing::shelf::shelf;

/// Years of discarded records, also of `a`; 30 of `a` and 5 of `b` are parked, 2 quarantined.
const HISTORY: &str = "
    INSERT INTO parked (topic, partition, record_offset, subject, state, cause, detail, blocks,
        headers, recorded_at)
    SELECT 'stock', 0, n, CASE WHEN n <= 30 THEN 'a' WHEN n <= 35 THEN 'b'
                               WHEN n % 2 = 0 THEN 'a' ELSE n::text END,
        CASE WHEN n <= 35 THEN 'parked' WHEN n <= 37 THEN 'quarantined' ELSE 'discarded' END,
        'undecodable', '', true, '[]', now()
    FROM generate_series(1, 20000) AS n";

async fn history(pool: PgPoolOptions, options: PgConnectOptions) -> PgPool {
    let pool = shelf(pool, options).await;
    sqlx::raw_sql(HISTORY).execute(&pool).await.unwrap();
    sqlx::raw_sql("VACUUM ANALYZE parked").execute(&pool).await.unwrap();
    pool
}

/// How the statement is carried out, and how many rows its scans saw at most.
async fn plan(pool: &PgPool, statement: &str, values: &[&str]) -> String {
    let bound = (1..).zip(values).fold(statement.to_owned(), |statement, (number, value)| {
        statement.replace(&format!("${number}"), value)
    });
    let explain = format!("EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) {bound}");
    let explain = sqlx::query_scalar(sqlx::AssertSqlSafe(explain));
    let lines: Vec<String> = explain.fetch_all(pool).await.unwrap();
    lines.join("\n")
}

#[sqlx::test(migrations = false)]
async fn discarded_records_are_never_read_to_check_the_limits(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let pool = history(pool, options).await;
    let is_full = plan(&pool, IS_FULL, &["100000"]).await;
    assert!(is_full.contains("using parked_by_state"), "{is_full}");
    let subjects = ["'{stock,stock}'", "'{a,b}'", "1000"];
    let full_subjects = plan(&pool, FULL_SUBJECTS, &subjects).await;
    assert!(full_subjects.contains("using parked_waiting"), "{full_subjects}");
    assert!(!is_full.contains("Seq Scan") && !is_full.contains("Rows Removed"), "{is_full}");
    assert!(!full_subjects.contains("Seq Scan"), "{full_subjects}");
}

#[sqlx::test(migrations = false)]
async fn each_state_is_counted_up_to_what_may_be_parked(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let pool = history(pool, options).await;
    let counted = |total| {
        let limits = ParkedLimits { per_subject: 10, total };
        let pool = &pool;
        async move { limits.states(pool).await.unwrap().into_iter().map(|(_, n)| n).collect() }
    };
    let (all, few): (Vec<i64>, Vec<i64>) = (counted(100_000).await, counted(20).await);
    assert_eq!((all, few), (vec![35, 2, 19_963], vec![21, 2, 21]));
    let states = plan(&pool, STATES, &["21"]).await;
    assert!(states.contains("using parked_by_state"), "{states}");
    assert!(!states.contains("Seq Scan") && !states.contains("Rows Removed"), "{states}");
}

#[sqlx::test(migrations = false)]
async fn a_limit_counts_every_parked_record_and_no_discarded_one(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let pool = history(pool, options).await;
    for (total, is_full) in [(36, true), (37, false)] {
        let found: bool =
            sqlx::query_scalar(IS_FULL).bind(i64::from(total)).fetch_one(&pool).await.unwrap();
        assert_eq!(found, is_full, "{total}");
    }
    for (per_subject, full) in [(4, vec!["a", "b"]), (5, vec!["a"]), (31, vec![])] {
        let found = sqlx::query_as(FULL_SUBJECTS).bind(["stock", "stock"]).bind(["a", "b"]);
        let found: Vec<(String, String)> =
            found.bind(i64::from(per_subject)).fetch_all(&pool).await.unwrap();
        let found: Vec<String> = found.into_iter().map(|(_, subject)| subject).collect();
        assert_eq!(found, full, "{per_subject}");
    }
}
