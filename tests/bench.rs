//! `scripts/bench` works: a smoke of it against the servers of the tests, with our own programs as the
//! tests have them. Measures nothing.

use std::path::Path;
use std::time::Duration;

use harness::programs;
use serde_json::Value;
use tokio::process::Command;

const WITHIN: Duration = Duration::from_secs(300);

#[tokio::test]
async fn the_bench_verifies_what_each_contender_did() {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let results = folder.path().join("results.jsonl");
    let mut bench = Command::new(repository.join("scripts/bench"));
    bench.args(["--smoke", "--seed", "1", "--results"]).arg(&results).kill_on_drop(true);
    // The servers are then somebody's, and none is started.
    bench.env("BENCH_BINARIES", programs()).env_remove("ORDERFLOW_STACK_ENV");
    let output = tokio::time::timeout(WITHIN, bench.output()).await.expect("the bench ends");
    let output = output.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

    let text = std::fs::read_to_string(results).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |kind: &str| lines.iter().filter(|line| line["kind"] == kind).collect::<Vec<_>>();
    let skipped = of("skipped").iter().filter(|line| line["why"] == "Go is not installed").count();
    println!("{skipped} contenders are skipped because Go is not installed");
    // Ours and Go's, over HTTP and catching up.
    assert_eq!(of("slot").len() + skipped, 4, "{text}");
    assert!(of("slot").iter().all(|slot| slot["rate"].as_f64() > Some(0.0)), "{text}");
}
