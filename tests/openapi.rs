//! Bad input: requests that Schemathesis makes up from our OpenAPI documents, and against them. No
//! answer is a 5xx, or of a status, content type or shape that the document does not name.

use std::time::Duration;

use chassis::settings;
use harness::{Deployment, Service, python_tool};

/// Of both APIs together, where `OPENAPI_EXAMPLES` is not less than by default.
const CASES_MIN: u32 = 2000;
/// Of each operation, besides the cases that are made systematically.
const EXAMPLES: u32 = 260;
/// Left out: a document cannot say which cursors there are, JSON Schema takes 1.0 for an integer,
/// which we do not, and Schemathesis makes headers that fit no pattern and takes them for valid. So a
/// request may fit the document and be refused, as the document says.
const FITTING_IS_TAKEN: &str = "positive_data_acceptance";
/// For each API, on a busy machine.
const WITHIN: Duration = Duration::from_secs(600);

/// `OPENAPI_EXAMPLES` makes more of them, `OPENAPI_SEED` others.
#[tokio::test]
async fn no_made_up_request_is_answered_otherwise_than_the_documents_say() {
    let deployment = Deployment::new().await;
    let (shop, services) = deployment.start_all().await;
    shop.offer("milk", 249, 10).await;
    deployment.in_stock("milk", 10).await;
    let seed = number("OPENAPI_SEED", 1);
    let examples = number("OPENAPI_EXAMPLES", EXAMPLES);
    println!("OPENAPI_SEED={seed} OPENAPI_EXAMPLES={examples} repeats this");

    let (producer, query) = (&services[0], &services[1]);
    let (asked, read) = tokio::join!(
        ask(&deployment, producer, seed, examples, &[]),
        // To wait for a position that never comes is what the API promises, and would take all day.
        ask(&deployment, query, seed, examples, &["--header", "Prefer: wait=0"]),
    );
    println!("{asked} requests to producer-api, {read} to query-api");
    let least = if examples < EXAMPLES { 1 } else { CASES_MIN };
    assert!(asked + read >= least, "{asked} and {read} are fewer than {least}");
    for service in &services {
        assert!(service.is_ready().await, "{} is ready afterwards", service.url());
    }
}

/// How many requests were made; each was answered as the document says.
async fn ask(
    deployment: &Deployment,
    service: &Service,
    seed: u32,
    examples: u32,
    more: &[&str],
) -> u32 {
    let mut command = python_tool("schemathesis");
    command.args(["run", &format!("{}/openapi.json", service.url())]);
    command.args(["--checks", "all", "--exclude-checks", FITTING_IS_TAKEN]);
    // Not the phase that follows links from operation to operation: the documents have none.
    command.args(["--phases", "examples,coverage,fuzzing", "--continue-on-failure"]);
    command.args(["--seed", &seed.to_string(), "--max-examples", &examples.to_string()]);
    // With more workers Hypothesis itself breaks now and then.
    command.args(["--generation-database", "none", "--workers", "1", "--request-timeout", "30"]);
    command.args(["--suppress-health-check", "all", "--warnings", "off", "--no-color"]);
    // It leaves files where it is run.
    let running = command.current_dir(deployment.folder()).args(more).output();
    let output = tokio::time::timeout(WITHIN, running).await.expect("schemathesis ends");
    let output = output.expect("the scripts' Python environment: run scripts/test");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    cases(&text).unwrap_or_else(|| panic!("no count of cases in {text}"))
}

/// Out of a line like `5,230 generated, 5,230 passed`.
fn cases(text: &str) -> Option<u32> {
    let line = text.lines().find(|line| line.contains(" generated, "))?;
    line.split_whitespace().next()?.replace(',', "").parse().ok()
}

fn number(variable: &'static str, default: u32) -> u32 {
    settings::parsed(variable, default, "a whole number").unwrap()
}
