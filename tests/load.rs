//! `orderctl load` against a running system: what it says was acknowledged is in the log, once.

use std::path::PathBuf;
use std::time::Duration;

use harness::{Deployment, Service, found_within};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

const WITHIN: Duration = Duration::from_secs(60);
const GENERATED: [&str; 8] =
    ["load", "--generated", "--seed", "7", "--skus", "50", "--customers", "20"];

async fn with_inventory() -> (Deployment, Service, Service) {
    let deployment = Deployment::new().await;
    let producer = deployment.start("producer-api").await;
    let inventory = deployment.start("inventory").await;
    (deployment, producer, inventory)
}

fn ledger_of(deployment: &Deployment) -> PathBuf {
    deployment.folder().join("ledger.jsonl")
}

async fn the_log_has_everything_of_the_ledger(deployment: &Deployment) {
    found_within(WITHIN, "inventory reads to the end", async || {
        deployment.is_at_the_end("inventory").await.then_some(())
    })
    .await;
    let ledger = ledger_of(deployment);
    let arguments = ["verify", "--projection", "inventory", "--ledger", ledger.to_str().unwrap()];
    deployment.orderctl(&arguments).await.expect_success();
}

#[tokio::test]
async fn a_load_that_is_run_again_adds_no_order() {
    let (deployment, producer, _inventory) = with_inventory().await;
    let (url, ledger) = (producer.url(), ledger_of(&deployment));
    let more = ["--orders", "200", "--cancel-share", "0.1", "--json", "--api", &url, "--ledger"];
    let mut arguments = [GENERATED.as_slice(), more.as_slice()].concat();
    arguments.push(ledger.to_str().unwrap());
    for _ in 0..2 {
        let answer = deployment.orderctl(&arguments).await.expect_success();
        let reports: Value = serde_json::from_str(&answer.stdout).unwrap();
        let kinds: Vec<&str> =
            reports.as_array().unwrap().iter().map(|r| r["what"].as_str().unwrap()).collect();
        assert_eq!(kinds, ["catalogue", "stock", "orders"]);
        assert_eq!(reports[2]["accepted"], 200);
        assert!((5..50).contains(&reports[2]["cancels"]["accepted"].as_i64().unwrap()));
    }
    the_log_has_everything_of_the_ledger(&deployment).await;
    assert_eq!(deployment.number("SELECT count(*) FROM inventory.orders").await, 200);
}

#[tokio::test]
async fn an_interrupted_load_says_so_and_has_written_down_what_was_acknowledged() {
    let (deployment, producer, _inventory) = with_inventory().await;
    let (url, ledger) = (producer.url(), ledger_of(&deployment));
    let more = ["--orders", "100000", "--rate", "50", "--api", &url, "--ledger"];
    let mut arguments = [GENERATED.as_slice(), more.as_slice()].concat();
    arguments.push(ledger.to_str().unwrap());
    let load = deployment.prepare("orderctl", &arguments).spawn().unwrap();
    let lines = || std::fs::read_to_string(&ledger).unwrap_or_default().lines().count();
    found_within(WITHIN, "orders are written down", async || (lines() > 10).then_some(())).await;
    let process = Pid::from_raw(load.id().unwrap().try_into().unwrap()).unwrap();
    kill_process(process, Signal::INT).unwrap();
    let output = load.wait_with_output().await.unwrap();
    assert_eq!(output.status.code(), Some(130), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("interrupted"), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("orders: "), "{output:?}");
    the_log_has_everything_of_the_ledger(&deployment).await;
}
