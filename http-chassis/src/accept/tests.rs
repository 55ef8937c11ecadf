//! What is answered to bytes that are no request, and to silence. Serves one path.

use std::time::Instant;

use actix_web::web::{self, Bytes};
use actix_web::{App, HttpResponse};
use metrics_exporter_prometheus::PrometheusBuilder;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream as Client;
use tokio::time::{sleep, timeout};

use super::*;
use crate::phase::Serving;
use crate::unread;
use std::time::Duration;

static ROUTES: Routes = Routes::new(&[], &[404]).no_store();
const LIMITS: Limits = Limits {
    idle: Duration::from_millis(900),
    head: Duration::from_millis(300),
    linger: Duration::from_secs(2),
};
/// A busy machine needs less for anything here.
const WITHIN: Duration = Duration::from_secs(20);
const WHOLE: &str = "GET /ok HTTP/1.1\r\nHost: x\r\n\r\n";
const HALF: &str = "GET /ok HTTP/1.1\r\nHost: x\r\nX-Slow: ";

fn serve_one_path() -> SocketAddr {
    let app = || {
        App::new()
            .wrap_fn(|mut request, service| {
                let serving = Serving::begin(&request);
                let unread = unread::share(&mut request);
                let answer = actix_web::dev::Service::call(service, request);
                async move {
                    let answer = answer.await?;
                    drop(serving);
                    Ok(unread::hold(answer, unread))
                }
            })
            .route("/ok", web::to(|_: Bytes| async { HttpResponse::Ok().body("fine") }))
            .route("/unread", web::to(|| async { HttpResponse::Ok().body("fine") }))
            .route(
                "/frozen",
                web::to(|| async {
                    // The thread that serves every connection of this test.
                    std::thread::sleep(LIMITS.head * 4);
                    HttpResponse::Ok().finish()
                }),
            )
    };
    let settings = HttpSettings {
        address: ([127, 0, 0, 1], 0).into(),
        health_address: None,
        workers: 1,
        connections_max: 100,
        shutdown: Duration::from_secs(5),
    };
    let wrapping = Wrapping { routes: &ROUTES, limits: LIMITS };
    let (address, server) = serve(&settings, wrapping, app).unwrap();
    tokio::spawn(server);
    address
}

async fn connect(address: SocketAddr, sent: &[u8]) -> Client {
    let mut client = Client::connect(address).await.unwrap();
    client.write_all(sent).await.unwrap();
    client
}

/// Everything that comes until the server hangs up.
async fn rest(client: &mut Client) -> String {
    let mut all = Vec::new();
    timeout(WITHIN, client.read_to_end(&mut all)).await.expect("hung up").expect("not reset");
    String::from_utf8(all).unwrap()
}

/// One answer of `/ok`.
async fn fine(client: &mut Client) {
    let mut part = [0; 1024];
    let length = timeout(WITHIN, client.read(&mut part)).await.unwrap().unwrap();
    let answer = String::from_utf8_lossy(&part[..length]);
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("fine"), "{answer}");
}

#[track_caller]
fn assert_problem(answer: &str, status: u16, kind: &str, retry: &str) {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{answer:?}"));
    assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
    for header in ["content-type: application/problem+json", "connection: close"] {
        assert!(head.contains(header), "{header}: {answer}");
    }
    let problem: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(problem["type"], format!("urn:orderflow:problem:{kind}"));
    assert_eq!((&problem["status"], &problem["retry"]), (&status.into(), &retry.into()));
}

#[tokio::test]
async fn a_connection_on_which_nothing_came_is_closed_without_a_word() {
    let address = serve_one_path();
    let began = Instant::now();
    let mut silent = connect(address, b"").await;
    assert_eq!(rest(&mut silent).await, "");
    assert!(began.elapsed() >= LIMITS.idle, "{:?}", began.elapsed());
    let mut kept = connect(address, WHOLE.as_bytes()).await;
    fine(&mut kept).await;
    let began = Instant::now();
    assert_eq!(rest(&mut kept).await, "");
    assert!(began.elapsed() >= LIMITS.idle / 2, "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_head_that_does_not_come_in_time_is_told_so_be_it_the_first_or_not() {
    let address = serve_one_path();
    let post = "POST /ok HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}";
    for before in ["", WHOLE, post] {
        let mut client = connect(address, before.as_bytes()).await;
        if !before.is_empty() {
            fine(&mut client).await;
        }
        client.write_all(HALF.as_bytes()).await.unwrap();
        assert_problem(&rest(&mut client).await, 408, "request-timeout", "later");
    }
}

#[tokio::test]
async fn a_head_that_is_dripped_does_not_hold_its_connection() {
    let mut client = connect(serve_one_path(), WHOLE.as_bytes()).await;
    fine(&mut client).await;
    let (mut reading, mut writing) = client.into_split();
    let drip = async {
        for byte in HALF.bytes().cycle() {
            sleep(LIMITS.head / 10).await;
            if writing.write_all(&[byte]).await.is_err() {
                break;
            }
        }
    };
    let mut answer = Vec::new();
    tokio::select! {
        () = drip => {}
        read = timeout(WITHIN, reading.read_to_end(&mut answer)) => { read.unwrap().unwrap(); }
    }
    assert_problem(&String::from_utf8(answer).unwrap(), 408, "request-timeout", "later");
}

#[tokio::test]
async fn bytes_that_are_no_head_are_answered_with_a_problem() {
    let address = serve_one_path();
    for (sent, kind) in [
        (
            "POST /ok HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n",
            "both",
        ),
        ("POST /ok HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}", "two"),
        ("GET /ok HTTP/1.1\r\n\r\n", "no Host"),
        ("GET /ok HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", "two Hosts"),
        ("GET /ok HTTP/1.1\r\nHost: x\r\nnot a header\r\n\r\n", "no colon"),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "HTTP/2"),
        ("GET /ok HTTP/3.7\r\nHost: x\r\n\r\n", "a version to come"),
        ("\u{16}\u{3}\u{1}\u{2}\0\u{1}\0\u{1}", "a TLS hello"),
        ("{\"customer_id\": \"a\"}\r\n\r\n", "a body alone"),
    ] {
        let mut client = connect(address, sent.as_bytes()).await;
        let answer = rest(&mut client).await;
        println!("{kind}");
        assert_problem(&answer, 400, "unreadable-head", "never");
    }
}

#[tokio::test]
async fn a_head_that_breaks_off_is_told_so() {
    let mut client = connect(serve_one_path(), HALF.as_bytes()).await;
    client.shutdown().await.unwrap();
    assert_problem(&rest(&mut client).await, 400, "unreadable-head", "never");
}

#[tokio::test]
async fn a_huge_head_is_told_so_though_its_client_still_sends() {
    let address = serve_one_path();
    let long = format!("GET /ok HTTP/1.1\r\nHost: x\r\nX-Long: {}\r\n\r\n", "x".repeat(3_000_000));
    let many = format!("GET /ok HTTP/1.1\r\nHost: x\r\n{}\r\n", "X-More: 1\r\n".repeat(200));
    for sent in [long, many] {
        let mut client = Client::connect(address).await.unwrap();
        let (mut reading, mut writing) = client.split();
        let mut answer = String::new();
        let (_, read) = tokio::join!(
            writing.write_all(sent.as_bytes()),
            timeout(WITHIN, reading.read_to_string(&mut answer))
        );
        read.unwrap().unwrap();
        assert_problem(&answer, 431, "head-too-large", "never");
    }
}

/// As most clients do: to hang up on what they still send would reset the connection, and the answer
/// with it.
#[tokio::test]
async fn a_client_that_first_sends_all_it_has_reads_the_answer_too() {
    let long = format!("GET /ok HTTP/1.1\r\nHost: x\r\nX-Long: {}\r\n\r\n", "x".repeat(8_000_000));
    let mut client = connect(serve_one_path(), long.as_bytes()).await;
    assert_problem(&rest(&mut client).await, 431, "head-too-large", "never");
}

#[tokio::test]
async fn what_follows_a_request_is_refused_after_its_answer_and_a_broken_body_only_once() {
    let address = serve_one_path();
    let mut client = connect(address, format!("{WHOLE}garbage\r\n\r\n").as_bytes()).await;
    let answers = rest(&mut client).await;
    let (first, second) = answers.split_once("fine").unwrap();
    assert!(first.starts_with("HTTP/1.1 200"), "{answers}");
    assert_problem(second, 400, "unreadable-head", "never");
    for path in ["/ok", "/unread"] {
        let chunked = "HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nno length\r\n";
        let mut client = connect(address, format!("POST {path} {chunked}").as_bytes()).await;
        assert_eq!(rest(&mut client).await.matches("HTTP/1.1 ").count(), 1, "{path}");
    }
}

#[tokio::test]
async fn a_process_that_was_frozen_expires_no_request_that_is_there() {
    let address = serve_one_path();
    let mut silent = connect(address, b"").await;
    let mut half = connect(address, HALF.as_bytes()).await;
    let _frozen = connect(address, b"GET /frozen HTTP/1.1\r\nHost: x\r\n\r\n").await;
    sleep(LIMITS.head / 2).await;
    half.write_all(b"1\r\n\r\n").await.unwrap();
    silent.write_all(WHOLE.as_bytes()).await.unwrap();
    fine(&mut half).await;
    fine(&mut silent).await;
}

#[test]
fn what_never_became_a_request_is_counted() {
    let recorder = PrometheusBuilder::new().build_recorder();
    ::metrics::with_local_recorder(&recorder, || {
        let routes = Routes::new(&[], &[404]);
        routes.refused(actix_web::http::StatusCode::REQUEST_TIMEOUT);
    });
    let line = "orderflow_http_requests_total{route=\"unparsed\",status=\"408\"} 1\n";
    let text = recorder.handle().render();
    assert!(text.contains(line), "{text}");
}
