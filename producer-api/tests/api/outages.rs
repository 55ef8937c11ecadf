//! What happens to requests while something is away, and when the process is stopped.

use std::sync::Arc;
use std::time::{Duration, Instant};

use events_schema::Topic;
use metrics::{
    Counter, CounterFn, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit,
};
use metrics_exporter_prometheus::PrometheusRecorder;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;
use waiting::eventually;

use crate::document;
use crate::harness::{Answer, Service, World, order};

async fn shop(change: impl FnOnce(&mut World)) -> World {
    let mut world = World::new();
    change(&mut world);
    world.sell("apple", 59, "USD").await;
    world
}

async fn until_orders_are_taken(service: &Service) {
    eventually("orders are taken again", async || {
        service.place(&order("c1", "apple")).await.status == 202
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_the_brokers_away_an_order_is_refused_at_once() {
    let world = shop(|_| {}).await;
    let service = world.ready().await;
    world.cluster.broker_down(1).unwrap();
    eventually("not ready", async || service.get("/readyz").await.status == 503).await;

    let started = Instant::now();
    let answer = service.place(&order("c1", "apple")).await;

    assert!(started.elapsed() < Duration::from_secs(1), "after {:?}", started.elapsed());
    assert_eq!((answer.status, answer.kind()), (503, "kafka-unavailable"), "{answer:?}");
    assert_ne!(answer.header("retry-after"), "");
    document::assert_documented("post", "/v1/orders", 503, answer.kind());
    world.cluster.broker_up(1).unwrap();
    until_orders_are_taken(&service).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_order_too_many_is_refused_at_once() {
    let world = shop(|world| world.settings.publish.in_flight_max = 1).await;
    let service = world.ready().await;
    assert_eq!(service.place(&order("c1", "apple")).await.status, 202);
    world.cluster.broker_round_trip_time(1, Duration::from_secs(3)).unwrap();
    let body = order("c1", "apple");
    let waiting = tokio::spawn(Answer::of(service.post("/v1/orders", &body)));
    service.until_in_flight(1).await;

    let started = Instant::now();
    let answer = service.place(&body).await;

    assert!(started.elapsed() < Duration::from_secs(1), "after {:?}", started.elapsed());
    assert_eq!((answer.status, answer.kind()), (503, "queue-full"), "{answer:?}");
    assert_ne!(answer.header("retry-after"), "");
    document::assert_documented("post", "/v1/orders", 503, answer.kind());
    assert_eq!(waiting.await.unwrap().status, 202);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_report_in_time_the_outcome_is_unknown() {
    let world =
        shop(|world| world.settings.publish.ack_timeout = Duration::from_millis(1500)).await;
    let service = world.ready().await;
    assert_eq!(service.place(&order("c1", "apple")).await.status, 202);
    world.cluster.broker_round_trip_time(1, Duration::from_secs(6)).unwrap();

    let request = service.post("/v1/orders", &order("c1", "apple"));
    let answer = Answer::of(request.header("Idempotency-Key", "k1")).await;

    assert_eq!((answer.status, answer.kind()), (503, "outcome-unknown"), "{answer:?}");
    assert_ne!(answer.header("retry-after"), "");
    assert!(answer.header("location").starts_with("/v1/orders/"), "{answer:?}");
    document::assert_documented("post", "/v1/orders", 503, answer.kind());
}

/// The client gives the same codes to a record that was stored and not confirmed.
#[tokio::test(flavor = "multi_thread")]
async fn no_failed_report_says_that_the_order_was_not_accepted() {
    let world = shop(|_| {}).await;
    let service = world.ready().await;
    assert_eq!(service.place(&order("c1", "apple")).await.status, 202);
    let refused = RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED;
    world.cluster.request_errors(RDKafkaApiKey::Produce, &[refused]);

    let answer = service.place(&order("c1", "apple")).await;

    assert_eq!((answer.status, answer.kind()), (503, "outcome-unknown"), "{answer:?}");
    assert!(answer.header("location").starts_with("/v1/orders/"), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn brokers_that_take_records_and_confirm_none_count_as_away() {
    let mut world = World::with_brokers(2);
    world.settings.publish.ack_timeout = Duration::from_secs(1);
    world.sell("apple", 59, "USD").await;
    let service = world.ready().await;
    assert_eq!(service.place(&order("c1", "apple")).await.status, 202);
    let answer_after = |after: Duration| {
        [1, 2].map(|broker| world.cluster.broker_round_trip_time(broker, after).unwrap())
    };
    answer_after(Duration::from_secs(60));

    let first = service.place(&order("c1", "apple")).await;
    let second = service.place(&order("c1", "apple")).await;

    assert_eq!((first.kind(), second.kind()), ("outcome-unknown", "kafka-unavailable"));
    assert_eq!(service.get("/readyz").await.status, 503);
    answer_after(Duration::ZERO);
    service.until_ready().await;
    until_orders_are_taken(&service).await;
}

/// Sends the head of a request and half of its body, and returns what is answered to that: all
/// that comes until there is a whole problem.
async fn answer_to_half_a_request(address: String) -> String {
    let mut connection = TcpStream::connect(address).await.unwrap();
    let head = "POST /v1/orders HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
                Content-Length: 200000\r\n\r\n";
    connection.write_all(head.as_bytes()).await.unwrap();
    connection.write_all(&[b' '; 100_000]).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"}") && connection.read_buf(&mut answer).await.unwrap() > 0 {}
    String::from_utf8(answer).unwrap()
}

/// Whichever comes first gets the room, and keeps it.
#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_are_being_sent_take_no_more_memory_than_they_may() {
    let world = shop(|world| world.settings.body_bytes_max = 150_000).await;
    let service = world.ready().await;
    let address = service.url.trim_start_matches("http://");
    let mut requests: JoinSet<_> =
        (0..6).map(|_| answer_to_half_a_request(address.to_owned())).collect();

    for _ in 0..5 {
        let answer = timeout(Duration::from_secs(8), requests.join_next()).await;
        let answer = answer.expect("a second one has room").unwrap().unwrap();
        assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("queue-full"), "{answer}");
    }
    let small = service.place(&order("c1", "apple")).await;
    assert_eq!(small.status, 202, "a small one still fits: {small:?}");
    assert!(requests.try_join_next().is_none(), "the first one lost its room");
}

/// After the first a producer may go on; after the second it only refuses.
#[tokio::test(flavor = "multi_thread")]
async fn a_broken_producer_is_replaced() {
    chassis::telemetry::start_logs();
    let world = shop(|_| {}).await;
    let service = world.ready().await;
    assert_eq!(service.place(&order("c1", "apple")).await.status, 202);
    let out_of_order = RDKafkaRespErr::RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER;
    let fenced = RDKafkaRespErr::RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED;
    for error in [out_of_order, fenced] {
        world.cluster.request_errors(RDKafkaApiKey::Produce, &[error]);

        let answer = service.place(&order("c1", "apple")).await;

        assert_eq!((answer.status, answer.kind()), (503, "outcome-unknown"), "{answer:?}");
        until_orders_are_taken(&service).await;
    }
    service.until_metric("orderflow_producer_rebuilt_total", 1).await;
}

/// Metrics of which one panics, on the thread that counts it.
struct Panicking(PrometheusRecorder);

struct Panic;

impl CounterFn for Panic {
    #[expect(clippy::panic, reason = "it is what the test is about")]
    fn increment(&self, _: u64) {
        panic!("this test wants it");
    }

    fn absolute(&self, _: u64) {}
}

impl Recorder for Panicking {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, metadata: &Metadata<'_>) -> Counter {
        match key.name() {
            "orderflow_producer_rebuilt_total" => Counter::from_arc(Arc::new(Panic)),
            _ => self.0.register_counter(key, metadata),
        }
    }

    fn register_gauge(&self, key: &Key, metadata: &Metadata<'_>) -> Gauge {
        self.0.register_gauge(key, metadata)
    }

    fn register_histogram(&self, key: &Key, metadata: &Metadata<'_>) -> Histogram {
        self.0.register_histogram(key, metadata)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_whose_publishing_thread_is_gone_ends_with_an_error() {
    let world = shop(|_| {}).await;
    let service = world.start_with(Panicking);
    service.until_ready().await;
    assert_eq!(service.place(&order("c1", "apple")).await.status, 202);
    let fenced = RDKafkaRespErr::RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED;
    world.cluster.request_errors(RDKafkaApiKey::Produce, &[fenced]);

    let answer = service.place(&order("c1", "apple")).await;

    assert_eq!((answer.status, answer.kind()), (503, "outcome-unknown"), "{answer:?}");
    let ended = timeout(Duration::from_secs(20), service.finished).await;
    let error = ended.expect("the process ends").unwrap().unwrap_err().to_string();
    assert!(error.contains("the thread that publishes has ended"), "{error}");
    assert!(service.process.shutdown.is_cancelled());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_answers_every_request_that_is_under_way() {
    let world = shop(|_| {}).await;
    let service = world.ready().await;
    assert_eq!(service.place(&order("c1", "apple")).await.status, 202);
    world.cluster.broker_round_trip_time(1, Duration::from_secs(2)).unwrap();
    let requests = (0..20).map(|n| {
        let body = order(&format!("c{n}"), "apple");
        tokio::spawn(Answer::of(service.post("/v1/orders", &body)))
    });
    let requests: Vec<_> = requests.collect();
    let (url, process) = (service.url.clone(), service.process.clone());
    service.until_in_flight(20).await;

    let started = Instant::now();
    let stopped = service.stop().await;

    assert!(stopped.is_ok(), "{stopped:?}");
    assert!(started.elapsed() < Duration::from_secs(8), "it took {:?}", started.elapsed());
    assert!(process.shutdown.is_cancelled());
    for request in requests {
        assert_eq!(request.await.unwrap().status, 202);
    }
    assert!(reqwest::get(format!("{url}/livez")).await.is_err(), "it still listens");
    world.cluster.broker_round_trip_time(1, Duration::ZERO).unwrap();
    assert_eq!(world.events(Topic::Orders).len(), 21);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_that_leaves_a_record_undelivered_is_an_error() {
    let world = shop(|world| world.settings.http.shutdown = Duration::from_secs(1)).await;
    let service = world.ready().await;
    assert_eq!(service.place(&order("c1", "apple")).await.status, 202);
    world.cluster.broker_round_trip_time(1, Duration::from_secs(20)).unwrap();
    let request = service.post("/v1/orders", &order("c1", "apple"));
    let given_up = request.timeout(Duration::from_millis(500)).send().await;
    assert!(given_up.is_err());
    assert!(service.stop().await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_needs_the_registry_only_once() {
    let world = shop(|_| {}).await;
    world.ready().await.stop().await.unwrap();
    world.registry.stop().await;
    let service = world.ready().await;
    assert_eq!(service.place(&order("c1", "apple")).await.status, 202);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_schemas_nothing_is_accepted() {
    let world = shop(|_| {}).await;
    world.registry.stop().await;
    let service = world.start();
    let answer = service.place(&order("c1", "apple")).await;
    assert_eq!((answer.status, answer.kind()), (503, "not-ready"), "{answer:?}");
    let ready = service.get("/readyz").await;
    assert_eq!(ready.status, 503);
    document::assert_documented("post", "/v1/orders", 503, answer.kind());
}
