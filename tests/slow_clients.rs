//! Bad input: clients that hold connections, and send slowly or without an end, keep nobody out.

use std::time::Duration;

use harness::{Deployment, Order, Shop};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Connections that say nothing, where the limit of open files allows so many.
const IDLE: usize = 10_000;
/// Clients of each other kind.
const SLOW: usize = 50;
/// The API gives a head 5 s and a body 10 s; the machine is busy.
const WITHIN: Duration = Duration::from_secs(40);

const HALF_A_HEAD: &[u8] = b"POST /v1/orders HTTP/1.1\r\nHost: shop\r\nX-Slow: ";
const HALF_A_BODY: &[u8] = b"POST /v1/orders HTTP/1.1\r\nHost: shop\r\n\
    Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{";
const NO_LAST_CHUNK: &[u8] = b"POST /v1/orders HTTP/1.1\r\nHost: shop\r\n\
    Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n";

#[tokio::test]
async fn while_thousands_hold_connections_others_are_served() {
    let idle = room_for_connections();
    println!("{idle} of {IDLE} idle connections: the limit of open files decides");
    let deployment = Deployment::new().await;
    let producer = deployment.start("producer-api").await;
    let address = producer.url().trim_start_matches("http://").to_owned();
    let _idle = hold(&address, idle, b"").await;
    let heads = hold(&address, SLOW, HALF_A_HEAD).await;
    let bodies = hold(&address, SLOW, HALF_A_BODY).await;
    let endless = hold(&address, SLOW, NO_LAST_CHUNK).await;

    assert!(producer.is_ready().await, "ready, whoever is connected");
    let shop = Shop::at(&producer, None);
    shop.offer("milk", 249, 0).await;
    shop.place(&Order::of("ada", "milk", 1)).await;

    for client in heads {
        let answer = answer_to(client).await;
        assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
        assert!(answer.contains("urn:orderflow:problem:request-timeout"), "{answer}");
    }
    for client in bodies.into_iter().chain(endless) {
        let answer = answer_to(client).await;
        assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    }
    assert!(producer.is_ready().await, "ready afterwards");
}

/// Connections that have sent this, and send no more.
async fn hold(address: &str, count: usize, sent: &[u8]) -> Vec<TcpStream> {
    let mut clients = Vec::with_capacity(count);
    for _ in 0..count {
        let mut client = TcpStream::connect(address).await.unwrap();
        client.write_all(sent).await.unwrap();
        clients.push(client);
    }
    clients
}

/// What the API answers, if anything, before it ends the connection.
async fn answer_to(mut client: TcpStream) -> String {
    let mut answer = Vec::new();
    let reading = tokio::time::timeout(WITHIN, client.read_to_end(&mut answer)).await;
    // Cut off is ended, too.
    let _ = reading.expect("the API gives up waiting");
    String::from_utf8_lossy(&answer).into_owned()
}

/// As many idle connections as this process, and the API that inherits its limit, may have open.
fn room_for_connections() -> usize {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current.is_some() {
        setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).unwrap();
    }
    let others = 1000;
    let allowed = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    usize::try_from(allowed).unwrap_or(usize::MAX).saturating_sub(others).min(IDLE)
}
