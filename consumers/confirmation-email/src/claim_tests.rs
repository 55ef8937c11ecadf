//! Claims about the couriers' SQL: whose a mail is. What couriers do with it is in `tests/suite`.

use runtime::testing;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use super::*;
use crate::{ConfirmationEmail, MIGRATIONS};

const LEASE: Duration = Duration::from_secs(60);

/// A ledger with one mail that is due.
async fn ledger(pool: PgPoolOptions, options: PgConnectOptions) -> PgPool {
    let pool = testing::database::<ConfirmationEmail>(pool, options, &MIGRATIONS).await;
    let mail = "INSERT INTO mails (event_id, customer_id, order_id, kind, state, occurred_at)
                VALUES (gen_random_uuid(), 'c1', gen_random_uuid(), 'confirmed', 'queued', now())";
    sqlx::query(mail).execute(&pool).await.unwrap();
    pool
}

async fn claim_one(conn: &mut PgConnection) -> Claimed {
    let terms = Terms { count: 8, lease: LEASE, max_age: LEASE, probe: false };
    claim(conn, terms).await.unwrap().pop().unwrap()
}

async fn rows_read(conn: &mut PgConnection) -> i64 {
    sqlx::query_scalar(testing::ROWS_READ).fetch_one(conn).await.unwrap()
}

async fn state(pool: &PgPool) -> (String, i32) {
    sqlx::query_as("SELECT state, attempts FROM mails").fetch_one(pool).await.unwrap()
}

#[sqlx::test(migrations = false)]
async fn settling_twice_leaves_alone_what_another_courier_has_claimed_in_between(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let pool = ledger(pool, options).await;
    let mut conn = pool.acquire().await.unwrap();
    let returned = [claim_one(&mut conn).await.settled(Fate::Returned)];
    settle(&mut conn, &returned).await.unwrap();
    let other = claim_one(&mut conn).await;
    // The answer to the first time was lost.
    settle(&mut conn, &returned).await.unwrap();
    assert_eq!(state(&pool).await, ("sending".to_owned(), 1));
    settle(&mut conn, &[other.settled(Fate::Sent)]).await.unwrap();
    assert_eq!(state(&pool).await, ("sent".to_owned(), 1));
}

#[sqlx::test(migrations = false)]
async fn a_claim_that_was_rolled_back_has_no_hold_on_the_next(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let pool = ledger(pool, options).await;
    let mut transaction = pool.begin().await.unwrap();
    let lost = claim_one(&mut transaction).await;
    transaction.rollback().await.unwrap();
    let mut conn = pool.acquire().await.unwrap();
    claim_one(&mut conn).await;
    settle(&mut conn, &[lost.settled(Fate::Returned)]).await.unwrap();
    assert_eq!(state(&pool).await, ("sending".to_owned(), 1));
}

/// Postgres would read a small table whole, and keeps to a plan that it made for one.
#[sqlx::test(migrations = false)]
async fn a_claim_and_its_end_read_no_other_mails_though_the_ledger_grew(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let pool = ledger(pool, options).await;
    sqlx::raw_sql("ANALYZE").execute(&pool).await.unwrap();
    let mut conn = pool.acquire().await.unwrap();
    let mail = claim_one(&mut conn).await;
    settle(&mut conn, &[mail.settled(Fate::Returned)]).await.unwrap();
    let many = "INSERT INTO mails (event_id, customer_id, order_id, kind, state, occurred_at)
                SELECT gen_random_uuid(), 'c' || n, gen_random_uuid(), 'confirmed',
                       CASE WHEN n <= 7 THEN 'queued' ELSE 'sent' END, now()
                FROM generate_series(1, 2000) AS n";
    sqlx::raw_sql(many).execute(&mut *conn).await.unwrap();
    sqlx::raw_sql("BEGIN").execute(&mut *conn).await.unwrap();
    let before = rows_read(&mut conn).await;
    let mail = claim_one(&mut conn).await;
    settle(&mut conn, &[mail.settled(Fate::Sent)]).await.unwrap();
    let read = rows_read(&mut conn).await - before;
    assert!(read < 30, "{read} rows are read for eight mails");
}

#[sqlx::test(migrations = false)]
async fn waiting_mails_are_counted_by_an_index_and_up_to_a_bound(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let pool = ledger(pool, options).await;
    let many =
        "INSERT INTO mails (event_id, customer_id, order_id, kind, state, queued_at, occurred_at)
                SELECT gen_random_uuid(), 'c' || n, gen_random_uuid(), 'confirmed',
                       CASE WHEN n <= 50 THEN 'queued' ELSE 'sent' END,
                       now() - interval '1 hour', now()
                FROM generate_series(1, 20000) AS n";
    sqlx::raw_sql(many).execute(&pool).await.unwrap();
    sqlx::raw_sql("VACUUM ANALYZE mails").execute(&pool).await.unwrap();
    let (count, oldest) = backlog(&pool).await.unwrap();
    assert_eq!(count, 51);
    assert!((3600.0..3700.0).contains(&oldest), "{oldest}");
    let few: (i64, f64) = sqlx::query_as(BACKLOG).bind(7_i64).fetch_one(&pool).await.unwrap();
    assert_eq!(few.0, 7);
    let explain = sqlx::AssertSqlSafe(format!("EXPLAIN {}", BACKLOG.replace("$1", "100000")));
    let plan: Vec<String> = sqlx::query_scalar(explain).fetch_all(&pool).await.unwrap();
    let plan = plan.join("\n");
    assert!(!plan.contains("Seq Scan") && plan.contains("using mails_queued"), "{plan}");
}
