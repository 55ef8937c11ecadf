//! Promises 1, 3, 7, 8 and 9 at once: real orders while workers and an API instance are killed.
//!
//! `STORM_ORDERS` is how many (default 3000), `STORM_SEED` repeats the kills of an earlier run.

use std::cell::Cell;
use std::time::{Duration, Instant};

use chassis::settings;
use futures::stream::{self, StreamExt};
use harness::{Deployment, Draw, Order, Service, Shop, found_within, holds_within};
use serde_json::Value;
use uuid::Uuid;

mod checks;
mod kills;
mod real_orders;

use checks::{Evidence, Excused};
use kills::{Kills, kill_until};
use real_orders::RealOrders;

/// Requests under way at any time.
const CLIENTS: usize = 64;
/// Between two orders: slow enough that many workers are killed while orders come.
const INTERVAL: Duration = Duration::from_micros(1_500);
/// Until every projection has caught up after the last order.
const CATCH_UP: Duration = Duration::from_secs(600);
/// Of a hundred orders, so many are cancelled once they are acknowledged.
const CANCELLED_PERCENT: u128 = 3;
/// From so many orders on, there is time to kill everybody.
const FULL: usize = 20_000;
const ORDERS: usize = 3_000;

const GROUPS: [&str; 3] = ["inventory", "confirmation-email", "analytics"];
const WORKERS_OF_A_GROUP: usize = 2;
/// What a courier may have handed to the mail server when it is killed.
const MAIL_CONNECTIONS: usize = 4;
const MAIL_BATCH: usize = 8;

#[tokio::test]
async fn every_acknowledged_order_has_one_outcome_and_one_mail_whatever_is_killed() {
    let count = settings::parsed("STORM_ORDERS", ORDERS, "a whole number").unwrap();
    let seed =
        settings::parsed("STORM_SEED", u64::from(std::process::id()), "a whole number").unwrap();
    println!("storm: {count} orders; to repeat the kills: STORM_SEED={seed}");
    let deployment = Deployment::alone().await;
    let began = Instant::now();
    let mut apis = [api(&deployment, "api-1").await, api(&deployment, "api-2").await];
    let domain = format!("{}storm.example", deployment.prefix);
    let orders = RealOrders::read(count, &domain);
    let shops = [Shop::at(&apis[0], None), Shop::at(&apis[1], None)];
    offer(&shops, &orders).await;
    // Now, not before: to read all of it at once costs less than to follow.
    let mut workers = workers(&deployment).await;
    stocked(&deployment, &orders).await;

    println!("storm: stocked after {:.0?}", began.elapsed());
    let started = Instant::now();
    let done = Cell::new(0);
    let (ledger, kills, ()) = tokio::join!(
        post(&shops, &orders, seed, &done),
        kill_until(&done, count, Draw::new(seed), &mut workers, &mut apis),
        verify_meanwhile(&deployment, &done, count / 3),
    );
    println!("storm: all acknowledged after {:.0?}; {kills:?}", started.elapsed());
    if count >= FULL {
        assert!(kills.workers.iter().all(|killed| *killed > 0), "everybody was hit");
        assert!(kills.api.is_some(), "and an instance of the API");
    }

    let lines: Vec<String> = ledger.iter().map(Value::to_string).collect();
    let file = deployment.folder().join("ledger.jsonl");
    std::fs::write(&file, lines.join("\n") + "\n").unwrap();
    caught_up(&deployment).await;
    println!("storm: caught up after {:.0?}", started.elapsed());
    let evidence = Evidence::of(&deployment, &domain, &ledger);
    checks::nothing_parked(&evidence).await.unwrap();
    checks::nothing_lost(&evidence).await.unwrap();
    checks::nothing_doubled(&evidence).await.unwrap();
    checks::nothing_out_of_order(&evidence).await.unwrap();
    checks::nothing_oversold(&evidence).await.unwrap();
    let excused = Excused { unknown: in_killed_hands(&kills), bounced: 0 };
    checks::one_mail(&evidence, excused).await.unwrap();
    let arguments = ["verify", "--ledger", file.to_str().unwrap()];
    deployment.orderctl(&arguments).await.expect_success();
}

async fn api(deployment: &Deployment, name: &str) -> Service {
    deployment.service("producer-api", name).await.start().await
}

async fn workers(deployment: &Deployment) -> Vec<Service> {
    let mut workers = Vec::new();
    for consumer in GROUPS {
        for number in 1..=WORKERS_OF_A_GROUP {
            let service = deployment.service(consumer, &format!("{consumer}-{number}")).await;
            let service = service
                .env("WORKERS", "2")
                .env("MAIL_FROM", format!("orders@{}storm.example", deployment.prefix))
                .env("MAIL_CONNECTIONS", MAIL_CONNECTIONS.to_string())
                .env("MAIL_BATCH", MAIL_BATCH.to_string())
                // What a killed courier had in hand is `unknown` after ten times this.
                .env("MAIL_REPLY_SECONDS_MAX", "3");
            workers.push(service.start().await);
        }
    }
    workers
}

async fn offer(shops: &[Shop; 2], orders: &RealOrders) {
    let offers = orders.offers().enumerate();
    let offer = |(n, (sku, price, stock)): (usize, (String, i64, i32))| async move {
        shops[n % 2].offer(&sku, price, stock).await;
    };
    stream::iter(offers).map(offer).buffer_unordered(CLIENTS).collect::<Vec<()>>().await;
}

async fn stocked(deployment: &Deployment, orders: &RealOrders) {
    let stocked = "SELECT count(*) FROM inventory.stock";
    let wanted = orders.offers().count() as i64;
    let there = async || deployment.number(stocked).await == wanted;
    assert!(holds_within(CATCH_UP, there).await, "the stock of {wanted} SKUs arrives");
}

/// Posts every order until it is acknowledged, however often that takes, and cancels some; returns
/// the ledger.
async fn post(shops: &[Shop; 2], orders: &RealOrders, seed: u64, done: &Cell<usize>) -> Vec<Value> {
    let began = tokio::time::Instant::now();
    let place = |(n, order)| async move {
        tokio::time::sleep_until(began + INTERVAL * n as u32).await;
        let mut line = real_orders::place_until_acknowledged(shops, n, order).await;
        if is_cancelled(order, seed) {
            real_orders::cancel_until_acknowledged(shops, n, &mut line).await;
        }
        done.set(done.get() + 1);
        line
    };
    stream::iter(orders.orders().enumerate()).map(place).buffer_unordered(CLIENTS).collect().await
}

fn is_cancelled(order: &Order, seed: u64) -> bool {
    let key = order.key.clone().unwrap_or_default();
    let drawn = Uuid::new_v5(&Uuid::from_u64_pair(seed, 0), key.as_bytes());
    drawn.as_u128() % 100 < CANCELLED_PERCENT
}

/// While orders come and workers die, the log explains every row that there is.
async fn verify_meanwhile(deployment: &Deployment, done: &Cell<usize>, after: usize) {
    let come = async || (done.get() >= after).then_some(());
    found_within(CATCH_UP, "a third of the orders is acknowledged", come).await;
    deployment.orderctl(&["verify"]).await.expect_success();
}

async fn caught_up(deployment: &Deployment) {
    for group in GROUPS {
        let all = async || deployment.is_at_the_end(group).await;
        assert!(holds_within(CATCH_UP, all).await, "{group} catches up");
    }
    let open =
        "SELECT count(*) FROM \"confirmation-email\".mails WHERE state IN ('queued', 'sending')";
    let none = async || deployment.number(open).await == 0;
    assert!(holds_within(CATCH_UP, none).await, "every mail is settled");
}

/// The most mails that the killed couriers can have handed over without hearing the answer.
fn in_killed_hands(kills: &Kills) -> usize {
    let is_courier = |(n, _): &(usize, &usize)| GROUPS[n / WORKERS_OF_A_GROUP] == GROUPS[1];
    let killed: usize = kills.workers.iter().enumerate().filter(is_courier).map(|(_, k)| k).sum();
    killed * MAIL_CONNECTIONS * MAIL_BATCH
}
