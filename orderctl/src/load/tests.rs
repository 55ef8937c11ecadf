//! The load against a real small HTTP server that answers by a script. Ring 1: no other server.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use clap::Parser;

use super::report::Report;
use super::*;

/// What the server saw.
#[derive(Debug, Clone)]
struct Seen {
    path: String,
    key: Option<String>,
    at: Instant,
}

/// What it answers to its nth request.
#[derive(Debug, Clone, Copy, Default)]
struct Reply {
    status: u16,
    after: Duration,
    retry_after: Option<u32>,
    /// What the problem says of a retry.
    retry: Option<&'static str>,
}

type Script = fn(nth: usize, body: &str) -> Reply;

#[derive(Clone)]
struct Server {
    url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    script: Script,
}

/// What a scripted server answers first.
static STATUS: AtomicU16 = AtomicU16::new(0);
static RETRY: Mutex<Option<&'static str>> = Mutex::new(None);

const ACCEPTED: Reply =
    Reply { status: 202, after: Duration::ZERO, retry_after: None, retry: None };

impl Server {
    /// Serves on a port of its own until the test ends.
    fn start(script: Script) -> Self {
        let mut server = Self { url: String::new(), seen: Arc::default(), script };
        let shared = server.clone();
        let app = move || {
            App::new().app_data(web::Data::new(shared.clone())).default_service(web::to(answer))
        };
        let bound =
            HttpServer::new(app).workers(1).disable_signals().bind(("127.0.0.1", 0)).unwrap();
        server.url = format!("http://{}", bound.addrs()[0]);
        tokio::spawn(bound.run());
        server
    }

    fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

async fn answer(request: HttpRequest, body: String, server: web::Data<Server>) -> HttpResponse {
    let header = |name: &str| Some(request.headers().get(name)?.to_str().ok()?.to_owned());
    let key = header("Idempotency-Key");
    let nth = {
        let mut seen = server.seen.lock().unwrap();
        let path = request.path().to_owned();
        seen.push(Seen { path, key: key.clone(), at: Instant::now() });
        seen.len() - 1
    };
    let reply = (server.script)(nth, &body);
    tokio::time::sleep(reply.after).await;
    let status = actix_web::http::StatusCode::from_u16(reply.status).unwrap();
    let mut response = HttpResponse::build(status);
    if let Some(seconds) = reply.retry_after {
        response.insert_header(("Retry-After", seconds));
    }
    if !status.is_success() {
        let problem = serde_json::json!({
            "type": "urn:orderflow:problem:scripted", "title": "t", "status": 0,
            "detail": "as told", "retry": reply.retry,
        });
        return response.content_type("application/problem+json").body(problem.to_string());
    }
    response.insert_header(("Order-Position", format!("orders:3@{nth}")));
    response.json(serde_json::json!({ "order_id": format!("order-{}", key.unwrap_or_default()) }))
}

#[derive(Debug, Parser)]
struct Line {
    #[command(flatten)]
    args: Args,
}

/// The command line for the orders of a real-data folder.
fn line(apis: &[&str], folder: &std::path::Path, more: &str) -> Args {
    let data = folder.display().to_string();
    let mut words = vec!["load", "orders", "--data", &data];
    apis.iter().for_each(|api| words.extend(["--api", api]));
    words.extend(more.split_whitespace());
    Line::try_parse_from(words).unwrap_or_else(|error| panic!("{error}")).args
}

/// Loads the orders as the command line says.
async fn load(apis: &[&str], folder: &std::path::Path, more: &str) -> Report {
    let args = line(apis, folder, more);
    let source = args.source();
    let slice = args.slice(source.orders_in_all().unwrap()).unwrap();
    let stage = Stage::open(&args, &source, slice, What::Orders).unwrap();
    stage.run(&args, &CancellationToken::new()).await.unwrap()
}

#[test]
fn more_at_a_time_than_there_can_be_open_files_is_refused_and_an_open_loop_stays_below() {
    let within = |words: &str| Line::try_parse_from(words.split(' ')).unwrap().args.within(100);
    assert_eq!(within("load --concurrency 100").unwrap().in_flight(), 100);
    let refused = within("load --concurrency 101").unwrap_err();
    assert!(refused.to_string().contains("ulimit -n"), "{refused}");
    assert_eq!(within("load --rate 5000").unwrap().in_flight(), 100);
    assert_eq!(within("load --rate 5000 --concurrency 7").unwrap().in_flight(), 7);
}

/// A real-data folder with so many baskets; every fifth has no line.
fn folder(baskets: usize) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let row = |n: usize| {
        let lines = if n % 5 == 4 { "" } else { r#"{"sku":"a","quantity":1}"# };
        format!(r#"{{"basket":"b{n}","customer_id":"c{n}","placed_at":"","lines":[{lines}]}}"#)
            + "\n"
    };
    let text: String = (0..baskets).map(row).collect();
    std::fs::write(folder.path().join("orders.jsonl"), text).unwrap();
    folder
}

/// A port at which nobody listens.
fn nobody() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_repeats_the_key_and_waits_as_long_as_it_is_told() {
    let server = Server::start(|nth, _| match nth {
        0 => Reply { status: 503, retry_after: Some(1), ..Reply::default() },
        1 => Reply { status: 500, ..Reply::default() },
        _ => ACCEPTED,
    });
    let report = load(&[&server.url], folder(1).path(), "").await;
    let seen = server.seen();
    assert!(seen.iter().all(|seen| seen.key.as_deref() == Some("b0")), "{seen:?}");
    assert_eq!(seen.len(), 3);
    assert!(seen[1].at - seen[0].at >= Duration::from_secs(1));
    assert_eq!((report.accepted, report.retried), (1, 1));
    assert_eq!(report.retries["503 scripted"], 1);
    assert!(report.clean());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_be_retried_is_and_what_is_final_is_not() {
    for (status, retry, sent) in [
        (408, None, 2),
        (408, Some("later"), 2),
        (425, None, 2),
        (429, None, 2),
        (502, None, 2),
        (503, Some("same-key"), 2),
        (504, None, 2),
        (500, Some("never"), 1),
        (422, None, 1),
        (431, None, 1),
    ] {
        STATUS.store(status, Ordering::SeqCst);
        *RETRY.lock().unwrap() = retry;
        let server = Server::start(|nth, _| match nth {
            0 => Reply {
                status: STATUS.load(Ordering::SeqCst),
                retry: *RETRY.lock().unwrap(),
                ..Reply::default()
            },
            _ => ACCEPTED,
        });
        let report = load(&[&server.url], folder(1).path(), "").await;
        assert_eq!(server.seen().len(), sent, "{status} {retry:?}");
        assert_eq!(report.clean(), sent == 2, "{status} {retry:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_loop_keeps_its_schedule_while_the_server_stalls() {
    let stall = |nth, _: &str| match nth {
        0..10 => Reply { after: Duration::from_millis(500), ..ACCEPTED },
        _ => ACCEPTED,
    };
    let server = Server::start(stall);
    let report = load(&[&server.url], folder(100).path(), "--rate 100 --orders 50").await;
    let seen = server.seen();
    let tenth = seen[10].at - seen[0].at;
    assert!(tenth < Duration::from_millis(400), "the schedule waited: {tenth:?}");
    assert!(report.latency_ms.max >= 500.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn latency_counts_from_when_the_request_was_to_start() {
    let server = Server::start(|nth, _| match nth {
        0 => Reply { after: Duration::from_millis(500), ..ACCEPTED },
        _ => ACCEPTED,
    });
    let settings = client::ClientSettings {
        apis: vec![server.url.clone()],
        timeout: Duration::from_secs(5),
        retry_for: Duration::from_secs(5),
        connections: 1,
    };
    let client = Client::new(settings).unwrap();
    let run = Arc::new(Run::new(client, None, CancellationToken::new()).unwrap());
    let folder = folder(10);
    let slice = Slice { from: 0, to: 10 };
    let baskets = Source::Real(folder.path().to_owned()).baskets(slice).unwrap();
    let jobs = Box::new(baskets.map(|basket| Ok(request::order(basket?, false)?)));
    // With one slot, the stall of the first request keeps the nine others from being sent.
    drive::drive(&run, pace::start(jobs, pace::Pace::Rate(1000.0)), 1).await.unwrap();
    let median = run.sums().requests.latency_micros.value_at_quantile(0.5);
    assert!(median > 450_000, "the wait for the stalled server is missing: {median} us");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_basket_without_a_line_is_posted_and_counted_as_refused() {
    let server = Server::start(|_, body| match body.contains(r#""lines":[]"#) {
        true => Reply { status: 422, after: Duration::from_millis(300), ..Reply::default() },
        false => ACCEPTED,
    });
    let report = load(&[&server.url], folder(10).path(), "").await;
    assert_eq!((report.accepted, report.refused, report.failed), (8, 2, 0));
    // The two were answered slowly, which says nothing of the eight.
    assert!(report.latency_ms.max < 300.0, "{:?}", report.latency_ms);
    assert!(report.others_latency_ms.as_ref().unwrap().p50 >= 300.0);
    assert!(report.per_second * report.seconds < 8.5, "{report:?}");
    assert_eq!(server.seen().len(), 10);
    assert!(report.clean());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_basket_that_is_accepted_and_a_full_one_that_is_refused_fail() {
    let server = Server::start(|_, body| match body.contains(r#""lines":[]"#) {
        true => ACCEPTED,
        false => Reply { status: 422, ..Reply::default() },
    });
    let report = load(&[&server.url], folder(5).path(), "").await;
    assert_eq!((report.accepted, report.refused, report.failed), (0, 0, 5));
    assert!(!report.clean());
    // The requests race: which of them is answered first is open.
    let told = |what: &str| report.failures.iter().any(|failure| failure.contains(what));
    assert!(told("422 scripted: as told") && told("202: no detail"), "{:?}", report.failures);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_missing_is_noticed_before_anything_is_sent() {
    let server = Server::start(|_, _| ACCEPTED);
    let folder = folder(1);
    let product = r#"{"sku":"a","name":"a","department":"D","price_minor":1,"currency":"USD"}"#;
    std::fs::write(folder.path().join("products.jsonl"), product).unwrap();
    let error = run(line(&[&server.url], folder.path(), "catalogue stock")).await.unwrap_err();
    assert!(error.to_string().contains("stock-all.jsonl is missing"), "{error}");
    assert!(server.seen().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_is_gone_costs_no_order() {
    let server = Server::start(|_, _| ACCEPTED);
    let report = load(&[&nobody(), &server.url], folder(4).path(), "").await;
    assert_eq!((report.accepted, report.unknown.len()), (4, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_answers_ends_as_unknown_and_is_named() {
    let server = Server::start(|_, _| Reply { after: Duration::from_secs(30), ..ACCEPTED });
    let report = load(&[&server.url], folder(1).path(), "--timeout 0.1 --retry-for 0.3").await;
    assert_eq!(report.unknown, ["POST /v1/orders b0 (timeout)"]);
    assert!(report.retried == 1 && !report.clean());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ledger_has_every_acknowledged_order_and_every_cancellation() {
    let server = Server::start(|_, body| match body.contains(r#""lines":[]"#) {
        true => Reply { status: 400, ..Reply::default() },
        false => ACCEPTED,
    });
    let ledger: PathBuf = folder(0).path().with_extension("ledger");
    let more = format!("--cancel-share 1 --ledger {}", ledger.display());
    let report = load(&[&server.url], folder(10).path(), &more).await;
    let text = std::fs::read_to_string(&ledger).unwrap();
    std::fs::remove_file(&ledger).unwrap();
    let lines: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let placed: Vec<_> = lines.iter().filter(|line| line["cancel_position"].is_null()).collect();
    assert_eq!((placed.len(), lines.len()), (8, 16));
    assert!(placed.iter().any(|line| line["basket"] == "b0" && line["order_id"] == "order-b0"));
    assert!(lines.iter().all(|line| line["position"].as_str().unwrap().starts_with("orders:3@")));
    assert_eq!(report.cancels.unwrap().accepted, 8);
    assert!(server.seen().iter().any(|seen| seen.path == "/v1/orders/order-b0/cancel"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_seed_cancels_the_same_orders() {
    let cancelled = async |seed: u32| -> Vec<String> {
        let server = Server::start(|_, _| ACCEPTED);
        let more = format!("--cancel-share 0.5 --seed {seed}");
        load(&[&server.url], folder(40).path(), &more).await;
        let paths = server.seen().into_iter().map(|seen| seen.path);
        let mut cancelled: Vec<_> = paths.filter(|path| path.ends_with("/cancel")).collect();
        cancelled.sort();
        cancelled
    };
    let first = cancelled(1).await;
    assert!((10..30).contains(&first.len()), "{}", first.len());
    assert_eq!(first, cancelled(1).await);
    assert_ne!(first, cancelled(2).await);
}
