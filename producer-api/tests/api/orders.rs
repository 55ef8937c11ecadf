//! What becomes of an order that is taken. What is refused is in `requests` and `outages`.

use std::time::{Duration, Instant};

use events_schema::{Event, IdempotencyKey, Locale, OrderId, Topic};
use rdkafka::Message;
use serde_json::json;

use crate::harness::{Answer, World, headers, order};

#[tokio::test(flavor = "multi_thread")]
async fn an_accepted_order_is_at_the_position_it_was_told() {
    let world = World::new();
    world.sell("apple", 59, "USD").await;
    let service = world.ready().await;
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let mut body = order("c1", "apple");
    body["locale"] = json!("he");

    let request = service.post("/v1/orders", &body).header("traceparent", trace);
    let answer = Answer::of(request).await;

    assert_eq!(answer.status, 202, "{answer:?}");
    let id = answer.body["order_id"].as_str().unwrap();
    assert_eq!(answer.body["status"], "accepted");
    assert_eq!(answer.header("location"), format!("/v1/orders/{id}"));
    assert_eq!(answer.header("order-position"), answer.body["position"]);
    let records = world.read(Topic::Orders);
    let [record] = records.as_slice() else { panic!("{} records", records.len()) };
    let position = format!("orders:{}@{}", record.partition(), record.offset());
    assert_eq!(answer.body["position"], position);
    assert_eq!(record.key(), Some("c1".as_bytes()));
    let headers = headers(record);
    assert_eq!(headers["ce_type"], "orderflow.OrderPlaced");
    assert_eq!(headers["ce_source"], "/producer-api");
    assert_eq!(headers["ce_subject"], id);
    assert_eq!(headers["traceparent"], trace);
    let events = world.events(Topic::Orders);
    let [Event::OrderPlaced(placed)] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!((placed.total_minor.get(), placed.locale), (118, Locale::He));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_key_is_one_order_through_every_instance() {
    let world = World::new();
    world.sell("apple", 59, "USD").await;
    let (first, second) = (world.ready().await, world.ready().await);
    let body = order("c1", "apple");
    for service in [&first, &second] {
        let request = service.post("/v1/orders", &body).header("Idempotency-Key", "k1");
        assert_eq!(Answer::of(request).await.status, 202);
    }
    let placed = world.events(Topic::Orders);
    let [Event::OrderPlaced(one), Event::OrderPlaced(two)] = placed.as_slice() else {
        panic!("{placed:?}")
    };
    let key: IdempotencyKey = "k1".parse().unwrap();
    assert_eq!(one.order_id, OrderId::for_key(&one.customer_id, &key));
    assert_eq!(
        (one.event_id, one.order_id, one.fingerprint),
        (two.event_id, two.order_id, two.fingerprint)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fingerprint_tells_other_lines_from_a_retry_and_says_nothing_of_the_contact() {
    let world = World::new();
    world.sell("apple", 59, "USD").await;
    let service = world.ready().await;
    let original = order("c1", "apple");
    let (mut contact, mut lines) = (original.clone(), original.clone());
    contact["contact"] = json!({"name": "Somebody Else", "email": "else@example.com"});
    lines["lines"][0]["quantity"] = json!(3);
    for body in [&original, &contact, &lines] {
        let request = service.post("/v1/orders", body).header("Idempotency-Key", "k1");
        assert_eq!(Answer::of(request).await.status, 202);
    }
    let placed = world.events(Topic::Orders);
    let fingerprints = placed.iter().map(|event| match event {
        Event::OrderPlaced(order) => order.fingerprint,
        other => panic!("{other:?}"),
    });
    let fingerprints: Vec<_> = fingerprints.collect();
    assert_eq!(fingerprints[0], fingerprints[1]);
    assert_ne!(fingerprints[0], fingerprints[2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_location_is_absolute_where_the_query_api_is_named() {
    let mut world = World::new();
    world.settings.query_api_url = Some("https://orders.example.com".to_owned());
    world.sell("apple", 59, "USD").await;
    let service = world.ready().await;
    let answer = service.place(&order("c1", "apple")).await;
    let id = answer.body["order_id"].as_str().unwrap();
    assert_eq!(answer.header("location"), format!("https://orders.example.com/v1/orders/{id}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_key_every_request_is_an_order() {
    let world = World::new();
    world.sell("apple", 59, "USD").await;
    let service = world.ready().await;
    let first = service.place(&order("c1", "apple")).await;
    let second = service.place(&order("c1", "apple")).await;
    assert_eq!((first.status, second.status), (202, 202));
    assert_ne!(first.body["order_id"], second.body["order_id"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancellation_follows_its_order_in_the_same_partition() {
    let world = World::new();
    world.sell("apple", 59, "USD").await;
    let service = world.ready().await;
    let placed = service.place(&order("c1", "apple")).await;
    let path = format!("{}/cancel", placed.header("location"));
    let body = json!({"customer_id": "c1", "reason": "ordered twice"});

    let answer = Answer::of(service.post(&path, &body)).await;

    assert_eq!(answer.status, 202, "{answer:?}");

    let partition =
        |answer: &Answer| answer.header("order-position").split('@').next().map(str::to_owned);
    assert_eq!(partition(&answer), partition(&placed));
    let events = world.events(Topic::Orders);
    let [Event::OrderPlaced(order), Event::OrderCancelRequested(cancel)] = events.as_slice() else {
        panic!("{events:?}")
    };
    assert_eq!(order.order_id, cancel.order_id);
    assert_eq!(cancel.reason.as_ref().unwrap().as_str(), "ordered twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_is_not_accepted_before_the_brokers_report() {
    let world = World::new();
    world.sell("apple", 59, "USD").await;
    let service = world.ready().await;
    assert_eq!(service.place(&order("c1", "apple")).await.status, 202);
    let round_trip = Duration::from_millis(700);
    world.cluster.broker_round_trip_time(1, round_trip).unwrap();
    let started = Instant::now();
    assert_eq!(service.place(&order("c1", "apple")).await.status, 202);
    assert!(started.elapsed() >= round_trip, "answered after {:?}", started.elapsed());
}
