//! What a pool does with connections that are of no use any more, over a real server and a relay.

use std::time::{Duration, Instant};

use postgres_client::{Pinned, Purpose, guarded, within};
use relay::{Ending, Relay};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Executor, PgPool};
use waiting::eventually;

/// Everything goes on by itself within this time; a busy machine needs less.
const GOES_ON_WITHIN: Duration = Duration::from_secs(10);
const LIMIT: Duration = Duration::from_secs(1);
const CONNECTIONS: u32 = 5;

async fn pool_over_a_relay(options: PgConnectOptions) -> (PgPool, Relay) {
    let relay = Relay::to(&format!("{}:{}", options.get_host(), options.get_port())).await;
    let pool = guarded(PgPoolOptions::new(), Purpose::Writes).max_connections(CONNECTIONS);
    let pool = pool.acquire_timeout(Duration::from_secs(3));
    let pool = pool.connect_lazy_with(options.host("127.0.0.1").port(relay.address().port()));
    fill(&pool).await;
    (pool, relay)
}

/// So that each of its places holds a connection, which was looked at and lies there again.
async fn fill(pool: &PgPool) {
    let all = (0..CONNECTIONS).map(|_| pool.acquire());
    let open: Result<Vec<_>, _> = futures::future::join_all(all).await.into_iter().collect();
    assert!(open.is_ok(), "{open:?}");
    drop(open);
    let started = Instant::now();
    while pool.num_idle() < CONNECTIONS as usize {
        assert!(started.elapsed() < GOES_ON_WITHIN, "{} lie in the pool", pool.num_idle());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn ask(pool: &PgPool) -> Result<i32, sqlx::Error> {
    within(LIMIT, sqlx::query_scalar("SELECT 1").fetch_one(pool)).await
}

/// As many conversations as there are places, until all of them are answered.
async fn goes_on(pool: &PgPool) {
    let started = Instant::now();
    loop {
        let asked = (0..CONNECTIONS).map(|_| ask(pool));
        if futures::future::join_all(asked).await.iter().all(Result::is_ok) {
            return;
        }
        assert!(started.elapsed() < GOES_ON_WITHIN, "it does not go on by itself");
    }
}

#[sqlx::test(migrations = false)]
async fn connections_that_end_or_fall_silent_are_replaced(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let (pool, relay) = pool_over_a_relay(options).await;
    for ending in [Ending::Silence, Ending::HalfClosed, Ending::Fin, Ending::Reset] {
        relay.end_open(ending);
        goes_on(&pool).await;
        fill(&pool).await;
    }
}

#[sqlx::test(migrations = false)]
async fn a_connection_that_lay_idle_is_looked_at_before_it_is_lent(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let (pool, relay) = pool_over_a_relay(options).await;
    relay.silence();
    // Longer than a connection counts as fresh.
    tokio::time::sleep(Duration::from_millis(600)).await;
    let asked = sqlx::query_scalar("SELECT 1").fetch_one(&pool);
    // One look is waited for, and no more.
    let asked: Result<i32, sqlx::Error> = within(Duration::from_millis(2500), asked).await;
    assert_eq!(asked.unwrap(), 1, "nobody meets a silent connection");
}

#[sqlx::test(migrations = false)]
async fn one_silent_connection_speaks_for_those_beside_it(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let (pool, relay) = pool_over_a_relay(options).await;
    relay.silence();
    // Longer than a connection counts as fresh.
    tokio::time::sleep(Duration::from_millis(600)).await;
    let all = async {
        let mut held = Vec::new();
        for _ in 0..CONNECTIONS {
            held.push(pool.acquire().await?);
        }
        Ok(held)
    };
    // A look at each of the five would take five seconds.
    let all: Result<_, sqlx::Error> = within(Duration::from_millis(3500), all).await;
    assert_eq!(all.map(|held| held.len()).ok(), Some(CONNECTIONS as usize));
}

#[sqlx::test(migrations = false)]
async fn a_commit_whose_answer_is_lost_costs_one_connection(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let (pool, relay) = pool_over_a_relay(options).await;
    relay.lose_the_answer_to(b"COMMIT", Ending::Silence);
    let committed: Result<(), sqlx::Error> = within(LIMIT, async {
        let mut transaction = pool.begin().await?;
        transaction.execute("CREATE TABLE kept (id int)").await?;
        transaction.commit().await
    })
    .await;
    assert!(matches!(committed, Err(sqlx::Error::Io(_))), "{committed:?}");
    goes_on(&pool).await;
    let kept: i64 = sqlx::query_scalar("SELECT count(*) FROM kept").fetch_one(&pool).await.unwrap();
    assert_eq!(kept, 0, "the transaction itself was committed");
}

#[sqlx::test(migrations = false)]
async fn a_server_that_only_reads_by_now_is_left(_: PgPoolOptions, options: PgConnectOptions) {
    let (pool, _relay) = pool_over_a_relay(options).await;
    let mut demoted = pool.acquire().await.unwrap();
    demoted.execute("SET default_transaction_read_only = on").await.unwrap();
    demoted.return_to_pool().await;
    for _ in 0..2 * CONNECTIONS {
        let mut connection = pool.acquire().await.unwrap();
        let reads_only = sqlx::query_scalar("SHOW default_transaction_read_only");
        let reads_only: String = reads_only.fetch_one(&mut *connection).await.unwrap();
        assert_eq!(reads_only, "off");
    }
}

#[sqlx::test(migrations = false)]
async fn a_connection_in_a_failed_transaction_is_closed(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let (pool, _relay) = pool_over_a_relay(options).await;
    let mut failed = pool.acquire().await.unwrap();
    failed.execute("BEGIN").await.unwrap();
    assert!(failed.execute("SELECT 1 / 0").await.is_err());
    failed.return_to_pool().await;
    for _ in 0..2 * CONNECTIONS {
        assert_eq!(ask(&pool).await.unwrap(), 1);
    }
}

/// A conversation; with which of the server's processes.
async fn talk(pinned: &mut Pinned) -> Result<i32, sqlx::Error> {
    let mut lent = pinned.lend().await?;
    let pid = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut *lent).await?;
    pinned.keep(lent);
    Ok(pid)
}

#[sqlx::test(migrations = false)]
async fn a_kept_connection_stays_with_its_owner(_: PgPoolOptions, options: PgConnectOptions) {
    let (pool, _relay) = pool_over_a_relay(options).await;
    let mut pinned = Pinned::new(pool.clone());
    let first = talk(&mut pinned).await.unwrap();
    for _ in 0..20 {
        assert_eq!(talk(&mut pinned).await.unwrap(), first);
        assert_eq!(pool.num_idle(), CONNECTIONS as usize - 1, "the pool has nothing to look at");
    }
    drop(pinned.lend().await.unwrap());
    eventually("it is back", async || pool.num_idle() == CONNECTIONS as usize).await;
}

#[sqlx::test(migrations = false)]
async fn a_kept_connection_that_lay_idle_is_looked_at_before_it_is_lent(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let (pool, relay) = pool_over_a_relay(options).await;
    let mut pinned = Pinned::new(pool);
    talk(&mut pinned).await.unwrap();
    relay.silence();
    // Longer than a connection counts as fresh.
    tokio::time::sleep(Duration::from_millis(600)).await;
    let talk = within(Duration::from_millis(2500), talk(&mut pinned)).await;
    talk.expect("nobody meets a silent connection");
}

#[sqlx::test(migrations = false)]
async fn the_last_connection_of_a_pool_is_kept_from_nobody(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let one = guarded(PgPoolOptions::new(), Purpose::Writes).max_connections(1);
    let pool = one.connect_lazy_with(options);
    let mut pinned = Pinned::new(pool.clone());
    talk(&mut pinned).await.unwrap();
    assert_eq!(ask(&pool).await.unwrap(), 1);
}
