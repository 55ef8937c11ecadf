//! Promises 1, 3, 7, 8 and 9 at once: real orders while workers and an API instance are killed.
//!
//! `STORM_ORDERS` is how many (default 20000), `STORM_SEED` repeats the kills of an earlier run.

use std::cell::Cell;
use std::collections::HashMap;
use std::time::{Duration, Instant};

use chassis::settings;
use futures::stream::{self, StreamExt};
use harness::{Deployment, Mails, Service, Shop, holds_within};

mod kills;
mod real_orders;

use kills::Kills;
use real_orders::RealOrders;

/// Requests under way at any time.
const CLIENTS: usize = 64;
/// Between two orders: slow enough that many workers are killed while orders come.
const INTERVAL: Duration = Duration::from_micros(1_500);
/// Until every projection has caught up after the last order.
const CATCH_UP: Duration = Duration::from_secs(300);

#[tokio::test]
async fn every_acknowledged_order_has_one_outcome_and_one_mail_whatever_is_killed() {
    let count = settings::parsed("STORM_ORDERS", 20_000, "a whole number").unwrap();
    let seed =
        settings::parsed("STORM_SEED", u64::from(std::process::id()), "a whole number").unwrap();
    println!("storm: {count} orders; to repeat the kills: STORM_SEED={seed}");
    let deployment = Deployment::alone().await;
    let mut apis = [api(&deployment, "api-1").await, api(&deployment, "api-2").await];
    let mut workers = Vec::new();
    for consumer in ["inventory", "confirmation-email", "analytics"] {
        for number in [1, 2] {
            let service = deployment.service(consumer, &format!("{consumer}-{number}")).await;
            // What a killed courier had in hand is `unknown` after ten times this.
            let service = service.env("WORKERS", "2").env("MAIL_REPLY_SECONDS_MAX", "2");
            workers.push(service.start().await);
        }
    }
    let orders = RealOrders::read(count);
    let shops = [Shop::at(&apis[0], None), Shop::at(&apis[1], None)];
    stock_up(&deployment, &shops, &orders).await;

    let started = Instant::now();
    let done = Cell::new(0);
    let posting = post(&shops, &orders, &done);
    let mut kills = Kills::new(seed);
    let (ledger, ()) = tokio::join!(posting, kills.run(&mut workers, &mut apis, &done, count));
    println!(
        "storm: {} acknowledged in {:.0?}, {} kills",
        ledger.len(),
        started.elapsed(),
        kills.count
    );

    let file = deployment.folder().join("ledger.jsonl");
    std::fs::write(&file, ledger.join("\n") + "\n").unwrap();
    caught_up(&deployment, ledger.len()).await;
    check_outcomes_and_mails(&deployment, ledger.len()).await;
    let arguments = ["verify", "--ledger", file.to_str().unwrap()];
    deployment.orderctl(&arguments).await.expect_success();
}

async fn api(deployment: &Deployment, name: &str) -> Service {
    deployment.service("producer-api", name).await.start().await
}

async fn stock_up(deployment: &Deployment, shops: &[Shop; 2], orders: &RealOrders) {
    let offers = orders.offers().enumerate();
    let offer = |(n, (sku, price, stock)): (usize, (String, i64, i32))| async move {
        shops[n % 2].offer(&sku, price, stock).await;
    };
    stream::iter(offers).map(offer).buffer_unordered(CLIENTS).collect::<()>().await;
    let stocked = "SELECT count(*) FROM inventory.stock";
    let wanted = orders.offers().count() as i64;
    let there = async || deployment.number(stocked).await == wanted;
    assert!(holds_within(CATCH_UP, there).await, "the stock of {wanted} SKUs arrives");
}

/// Posts every order until it is acknowledged, however often that takes; returns the ledger.
async fn post(shops: &[Shop; 2], orders: &RealOrders, done: &Cell<usize>) -> Vec<String> {
    let began = tokio::time::Instant::now();
    let place = |(n, order)| async move {
        tokio::time::sleep_until(began + INTERVAL * n as u32).await;
        let placed = real_orders::place_until_acknowledged(shops, n, order).await;
        done.set(done.get() + 1);
        placed.to_string()
    };
    stream::iter(orders.orders().enumerate()).map(place).buffer_unordered(CLIENTS).collect().await
}

const UNDECIDED_MAILS: &str =
    "SELECT count(*) FROM \"confirmation-email\".mails WHERE state IN ('queued', 'sending')";

async fn caught_up(deployment: &Deployment, orders: usize) {
    let orders = orders as i64;
    let all = async || {
        deployment.number("SELECT count(*) FROM inventory.orders").await >= orders
            && deployment.number("SELECT count(*) FROM inventory.outbox").await == 0
            && deployment.number("SELECT count(*) FROM \"confirmation-email\".mails").await
                >= orders
            && deployment.number(UNDECIDED_MAILS).await == 0
            && deployment.number(ANALYSED).await >= orders
    };
    assert!(holds_within(CATCH_UP, all).await, "every projection catches up");
}

const ANALYSED: &str =
    "SELECT count(*) FROM analytics.orders WHERE coalesce(confirmed_at, rejected_at) IS NOT NULL";

async fn check_outcomes_and_mails(deployment: &Deployment, acknowledged: usize) {
    let acknowledged = acknowledged as i64;
    let parked =
        "SELECT (SELECT count(*) FROM inventory.parked) + (SELECT count(*) FROM analytics.parked)
        + (SELECT count(*) FROM \"confirmation-email\".parked)";
    assert_eq!(deployment.number(parked).await, 0, "nothing is poison");
    let outcomes =
        "SELECT count(*) FROM inventory.orders WHERE status IN ('confirmed', 'rejected')";
    assert_eq!(deployment.number(outcomes).await, acknowledged, "one outcome per order");
    let units = "SELECT (SELECT coalesce(sum(delta), 0) FROM inventory.stock_receipts)
        - (SELECT coalesce(sum(available), 0) FROM inventory.stock)
        - (SELECT coalesce(sum(quantity), 0) FROM inventory.order_lines JOIN inventory.orders
           USING (order_id) WHERE status = 'confirmed')";
    let units = format!("SELECT ({units})::bigint");
    assert_eq!(deployment.number(&units).await, 0, "received = sold + on the shelf");

    let rows: Vec<(String, String)> =
        sqlx::query_as("SELECT event_id::text, state FROM \"confirmation-email\".mails")
            .fetch_all(&deployment.pool)
            .await
            .unwrap();
    assert_eq!(rows.len() as i64, acknowledged, "one ledger row per order");
    let taken = Mails::of(&deployment.stack).counts().await;
    let taken: HashMap<&str, usize> =
        taken.iter().map(|(id, count)| (id.split('@').next().unwrap(), *count)).collect();
    for (event_id, state) in rows {
        let copies = taken.get(event_id.as_str()).copied().unwrap_or_default();
        let allowed = match state.as_str() {
            "sent" => copies == 1,
            "unknown" => copies <= 1,
            _ => false,
        };
        assert!(allowed, "mail {event_id} is {state} and was taken {copies} times");
    }
}
