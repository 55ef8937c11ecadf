//! What a rebalance costs: workers that are restarted one after the other, or killed, keep no
//! partition waiting for long, and nothing is done twice.
//!
//! `REBALANCE_RATE` is how many orders come in a second (default 50). `REBALANCE_SETTINGS` are
//! further settings of the workers, `NAME=value,…`; with it, the figures are only printed:
//! decision 0007 was measured so.

use std::cell::Cell;
use std::collections::HashMap;
use std::time::{Duration, Instant};

use chassis::settings;
use harness::{Deployment, Service, Spec, found_within};
use tokio::process::Child;

mod pauses;

use pauses::{Log, Moves};

const WORKERS: usize = 3;
const WITHIN: Duration = Duration::from_secs(120);
/// The session: a killed worker that the group does not know again costs at least as much.
const SESSION: Duration = Duration::from_secs(6);
/// Orders that are placed before anything happens.
const BEFORE: i64 = 100;

#[tokio::test]
async fn a_rolling_restart_keeps_no_partition_waiting_for_long_and_repeats_nothing() {
    let deployment = Deployment::alone().await;
    let log = measured(&deployment, "rolling restart", async |workers| {
        for worker in workers {
            let status = worker.stop().await;
            assert!(status.success(), "{status}");
            worker.start_again();
            holds_partitions(worker).await;
        }
    })
    .await;
    assert_eq!(log.repeated, 0, "events published twice");
}

#[tokio::test]
async fn a_killed_worker_that_comes_back_within_its_session_has_its_partitions_at_once() {
    let deployment = Deployment::alone().await;
    measured(&deployment, "kill -9 and restart", async |workers| {
        for worker in workers {
            worker.kill();
            worker.start_again();
            holds_partitions(worker).await;
        }
    })
    .await;
}

/// Does this to the workers while orders come, and looks at what it did to the partitions.
async fn measured(
    deployment: &Deployment,
    what: &str,
    disturb: impl AsyncFnOnce(&mut [Service]),
) -> Log {
    let rate = settings::parsed("REBALANCE_RATE", 50, "a whole number").unwrap();
    let producer = deployment.start("producer-api").await;
    let mut workers = three_workers(deployment).await;
    let mut load = load(deployment, &producer, rate);
    orders_are_decided(deployment, BEFORE).await;

    let (done, mut moves) = (Cell::new(false), Moves::default());
    let (began, before) = (Instant::now(), deployment.number(DECIDED).await);
    let disturbing = async {
        disturb(&mut workers).await;
        // A partition that still stands is seen to move before the end.
        let ends = deployment.ends(&deployment.topic("orders"));
        found_within(WITHIN, "every partition moved", async || moved_to(deployment, &ends).await)
            .await;
        done.set(true);
    };
    tokio::join!(moves.watch(deployment, &done), disturbing);
    let decided = (deployment.number(DECIDED).await - before) as f64;
    let rate = decided / began.elapsed().as_secs_f64();
    load.kill().await.unwrap();
    deployment.reads_to_the_end("inventory", WITHIN).await;
    let log = Log::read(deployment);
    let longest = moves.longest_pause(&log);
    eprintln!("{what} at {rate:.0} orders/s: longest pause of a partition {longest:.1?}");
    deployment.orderctl(&["verify", "--projection", "inventory"]).await.expect_success();
    assert!(are_changed() || longest < SESSION, "{longest:?}");
    log
}

async fn three_workers(deployment: &Deployment) -> Vec<Service> {
    let mut workers = Vec::new();
    for number in 1..=WORKERS {
        let name = format!("inventory-{number}");
        workers.push(with_settings(deployment.service("inventory", &name).await).start().await);
    }
    for worker in &workers {
        holds_partitions(worker).await;
    }
    workers
}

/// More orders than are needed, at this rate, until it is killed.
fn load(deployment: &Deployment, producer: &Service, rate: u32) -> Child {
    let (rate, url) = (rate.to_string(), producer.url());
    let source = ["load", "--generated", "--skus", "200", "--customers", "2000", "--zipf", "0.2"];
    let target = ["--orders", "200000", "--rate", &rate, "--api", &url];
    deployment
        .prepare("orderctl", &[source.as_slice(), target.as_slice()].concat())
        .spawn()
        .unwrap()
}

const DECIDED: &str = "SELECT count(*) FROM inventory.orders";

async fn moved_to(deployment: &Deployment, ends: &HashMap<i32, i64>) -> Option<()> {
    let query = "SELECT partition, next_offset FROM inventory.positions WHERE topic LIKE '%orders'";
    let positions: Vec<(i32, i64)> =
        sqlx::query_as(query).fetch_all(&deployment.pool).await.unwrap();
    positions.iter().all(|(partition, next)| *next >= ends[partition]).then_some(())
}

async fn orders_are_decided(deployment: &Deployment, count: i64) {
    found_within(WITHIN, "orders are decided", async || {
        (deployment.number(DECIDED).await >= count).then_some(())
    })
    .await;
}

async fn holds_partitions(worker: &Service) {
    found_within(WITHIN, "the worker holds partitions", async || {
        (worker.metric("orderflow_partitions_owned").await > 0.0).then_some(())
    })
    .await;
}

const SETTINGS: &str = "REBALANCE_SETTINGS";

fn are_changed() -> bool {
    settings::optional(SETTINGS).is_some()
}

fn with_settings(spec: Spec) -> Spec {
    let text = settings::optional(SETTINGS).unwrap_or_default();
    let pairs = text.split(',').filter_map(|pair| pair.split_once('='));
    pairs.fold(spec, |spec, (name, value)| match name {
        "WORKER_ID" => spec.env("WORKER_ID", value),
        "LEAVE_ON_STOP" => spec.env("LEAVE_ON_STOP", value),
        "GROUP_PROTOCOL" => spec.env("GROUP_PROTOCOL", value),
        other => panic!("{SETTINGS} cannot set {other}"),
    })
}
