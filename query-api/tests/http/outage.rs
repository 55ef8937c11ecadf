//! The database away, and the process asked to stop.

use std::time::{Duration, Instant};

use relay::{Ending, Relay};
use reqwest::StatusCode;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use waiting::eventually;

use crate::house::{House, order_path, place};

async fn house_on_a_relay(pool: PgPoolOptions, options: PgConnectOptions) -> (House, Relay) {
    let relay = Relay::to(&format!("{}:{}", options.get_host(), options.get_port())).await;
    let migrated = runtime::testing::database::<inventory::Inventory>(
        pool,
        options.clone(),
        &inventory::MIGRATIONS,
    );
    let house = House::over(migrated.await, options.host("127.0.0.1").port(relay.address().port()));
    house.ready(true).await;
    (house, relay)
}

#[sqlx::test(migrations = false)]
async fn an_outage_is_said_at_once_and_is_over_by_itself(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let (house, mut relay) = house_on_a_relay(pool, options).await;
    house.fold([place(1, &[("milk", 3)])]).await;
    assert_eq!(house.get(&order_path(1), &[]).await.status(), StatusCode::OK);
    relay.cut();
    house.ready(false).await;
    let started = Instant::now();
    let response = house.get(&order_path(1), &[]).await;
    assert!(started.elapsed() < Duration::from_millis(250), "{:?}", started.elapsed());
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(response.headers()["retry-after"], "2");
    let body: serde_json::Value = response.json().await.unwrap();
    assert_eq!(body["type"], "urn:orderflow:problem:database-unavailable");
    assert_eq!(house.get("/livez", &[]).await.status(), StatusCode::OK);
    relay.mend().await;
    house.ready(true).await;
    // Also the first request: no client meets a connection that died in the outage.
    assert_eq!(house.get(&order_path(1), &[]).await.status(), StatusCode::OK);
    house.close().await;
}

#[sqlx::test(migrations = false)]
async fn connections_that_died_unseen_cost_no_request(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let (house, relay) = house_on_a_relay(pool, options).await;
    let path = order_path(1);
    futures::future::join_all((0..20).map(|_| house.get(&path, &[]))).await;
    // Until all of them lie in the pool; shorter than it takes to see that anything was wrong.
    tokio::time::sleep(Duration::from_millis(100)).await;
    relay.end_open(Ending::Fin);
    tokio::task::yield_now().await;
    let answers = futures::future::join_all((0..20).map(|_| house.get(&path, &[]))).await;
    for answer in answers {
        assert_eq!(answer.status(), StatusCode::NOT_FOUND);
    }
    house.close().await;
}

#[sqlx::test(migrations = false)]
async fn connections_that_fall_silent_are_replaced_by_themselves(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let (house, relay) = house_on_a_relay(pool, options).await;
    let path = order_path(1);
    futures::future::join_all((0..20).map(|_| house.get(&path, &[]))).await;
    // Those of the pool, and those that look at positions.
    relay.silence();
    let silent = Instant::now();
    loop {
        let answers = futures::future::join_all((0..20).map(|_| house.get(&path, &[]))).await;
        if answers.iter().all(|answer| answer.status() == StatusCode::NOT_FOUND) {
            break;
        }
        assert!(silent.elapsed() < Duration::from_secs(10), "it does not go on by itself");
    }
    house.ready(true).await;
    house.close().await;
}

#[sqlx::test(migrations = false)]
async fn readiness_speaks_of_the_connections_that_serve(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let (house, relay) = house_on_a_relay(pool, options).await;
    relay.silence_all();
    house.ready(false).await;
    relay.speak();
    house.ready(true).await;
    house.close().await;
}

#[sqlx::test(migrations = false)]
async fn a_process_ends_while_its_connections_are_silent(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let (house, relay) = house_on_a_relay(pool, options).await;
    relay.silence_all();
    house.ready(false).await;
    let closing = tokio::time::timeout(Duration::from_secs(10), house.close());
    assert!(closing.await.is_ok(), "it ends in time");
}

#[sqlx::test(migrations = false)]
async fn an_outage_ends_the_waiting(pool: PgPoolOptions, options: PgConnectOptions) {
    let (house, relay) = house_on_a_relay(pool, options).await;
    let headers = [("Order-Min-Position", "orders:0@0"), ("Prefer", "wait=30")];
    let path = order_path(1);
    let cutting = async {
        house.waiting(1).await;
        relay.cut();
    };
    let started = Instant::now();
    let (response, ()) = tokio::join!(house.get(&path, &headers), cutting);
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    house.close().await;
}

#[sqlx::test(migrations = false)]
async fn a_crowd_does_not_end_the_waiting(pool: PgPoolOptions, options: PgConnectOptions) {
    let house = House::open(pool, options).await;
    house.advance("orders", 0, 0).await;
    let headers = [("Order-Min-Position", "orders:0@0"), ("Prefer", "wait=20")];
    let path = order_path(1);
    let crowding = async {
        house.waiting(1).await;
        // Whoever reads products now holds a connection until it is given up.
        let mut locked = house.pool.begin().await.unwrap();
        sqlx::query("LOCK TABLE products").execute(&mut *locked).await.unwrap();
        let crowd = (0..10).map(|_| house.get("/v1/products", &[]));
        for answer in futures::future::join_all(crowd).await {
            assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
        }
        locked.rollback().await.unwrap();
        house.fold([place(1, &[("milk", 3)])]).await;
        house.advance("orders", 0, 1).await;
    };
    let (response, ()) = tokio::join!(house.get(&path, &headers), crowding);
    assert_eq!(response.status(), StatusCode::OK);
    house.close().await;
}

#[sqlx::test(migrations = false)]
async fn tables_that_are_not_there_are_named(pool: PgPoolOptions, options: PgConnectOptions) {
    let pool = pool.connect_with(options.clone()).await.unwrap();
    let house = House::over(pool, options);
    eventually("the reason", async || {
        let text = house.get("/readyz", &[]).await.text().await.unwrap();
        text.contains("inventory's tables are not there")
    })
    .await;
    house.close().await;
}

#[sqlx::test(migrations = false)]
async fn a_process_that_stops_answers_those_who_wait(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let house = House::open(pool, options).await;
    let headers = [("Order-Min-Position", "orders:0@0"), ("Prefer", "wait=30")];
    let path = order_path(1);
    let stopping = async {
        house.waiting(1).await;
        house.process.shutdown.cancel();
    };
    let started = Instant::now();
    let (response, ()) = tokio::join!(house.get(&path, &headers), stopping);
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    house.close().await;
}
