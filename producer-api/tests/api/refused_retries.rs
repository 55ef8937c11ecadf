//! A retry under the same key after what is refused has changed: the order is not denied.

use std::time::Duration;

use events_schema::{Event, OrderId, Topic};
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use serde_json::{Value, json};
use waiting::eventually;

use crate::document;
use crate::harness::{Answer, Service, World, order};

async fn place(service: &Service, body: &Value, key: Option<&str>) -> Answer {
    let request = service.post("/v1/orders", body);
    let request =
        key.into_iter().fold(request, |request, key| request.header("Idempotency-Key", key));
    Answer::of(request).await
}

fn of_key(customer: &str, key: &str) -> OrderId {
    OrderId::for_key(&customer.parse().unwrap(), &key.parse().unwrap())
}

/// Fails unless the answer speaks of a new order only, and says where the one of the key is.
#[track_caller]
fn does_not_deny(answer: &Answer, order: OrderId) {
    assert_eq!(answer.body["order_id"], order.to_string(), "{answer:?}");
    assert_eq!(answer.header("location"), format!("/v1/orders/{order}"), "{answer:?}");
    let detail = answer.body["detail"].as_str().unwrap();
    assert!(detail.contains("this is about a new order"), "{detail}");
}

/// As case 11 has it: stored, not confirmed, and then the catalogue changes.
#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_under_a_key_does_not_deny_the_order_of_an_earlier_try() {
    let world = World::new();
    world.sell("apple", 59, "USD").await;
    world.sell("pear", 30, "USD").await;
    let service = world.ready().await;
    let mut body = order("c1", "apple");
    body["lines"] = json!([{"sku": "apple", "quantity": 1}, {"sku": "pear", "quantity": 1}]);
    // The broker may have it: no failed report says that it has not.
    let lost = RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED;
    world.cluster.request_errors(RDKafkaApiKey::Produce, &[lost]);
    let first = place(&service, &body, Some("k1")).await;
    assert_eq!((first.status, first.kind()), (503, "outcome-unknown"), "{first:?}");
    assert_eq!(first.body["order_id"], of_key("c1", "k1").to_string());

    world.sell("pear", 30, "EUR").await;
    eventually("the currency is another", async || {
        place(&service, &body, Some("k1")).await.status == 422
    })
    .await;
    let answer = place(&service, &body, Some("k1")).await;
    assert_eq!((answer.kind(), answer.body["retry"].as_str()), ("mixed-currencies", Some("never")));
    does_not_deny(&answer, of_key("c1", "k1"));

    world.write(Topic::Products, "pear", None).await;
    eventually("the pear is gone", async || place(&service, &body, Some("k1")).await.status == 404)
        .await;
    let answer = place(&service, &body, Some("k1")).await;
    assert_eq!(answer.kind(), "unknown-sku");
    assert_eq!(answer.pointers(), ["/lines/1/sku"], "still says what is wrong");
    does_not_deny(&answer, of_key("c1", "k1"));
    document::assert_documented("post", "/v1/orders", 404, answer.kind());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_key_there_is_no_earlier_try() {
    let world = World::new();
    let service = world.ready().await;
    let answer = place(&service, &order("c1", "ghost"), None).await;
    assert_eq!((answer.status, answer.kind()), (404, "unknown-sku"));
    assert_eq!((&answer.body["order_id"], answer.header("location")), (&Value::Null, ""));
    assert!(!answer.body["detail"].as_str().unwrap().contains("new order"), "{answer:?}");
}

/// An older release, or another setting, may have taken what this one refuses.
#[tokio::test(flavor = "multi_thread")]
async fn whatever_else_refuses_a_retry_does_not_deny_the_order_either() {
    let world = World::new();
    world.sell("apple", 59, "USD").await;
    world.sell("dear", i64::MAX / 1024, "USD").await;
    let service = world.ready().await;
    let with = |change: fn(&mut Value)| {
        let mut body = order("c1", "apple");
        change(&mut body);
        body
    };
    for body in [
        with(|body| body["contact"]["email"] = json!("ada")),
        with(|body| body["lines"] = json!([])),
        with(|body| body["later"] = json!("a field of a later release")),
        with(|body| body["lines"][0] = json!({"sku": "dear", "quantity": 1_000_000})),
    ] {
        let answer = place(&service, &body, Some("k1")).await;
        assert_eq!((answer.status, answer.kind()), (422, "invalid-body"), "{body}");
        does_not_deny(&answer, of_key("c1", "k1"));
    }
    let nobody = with(|body| body["customer_id"] = json!("no customer"));
    let answer = place(&service, &nobody, Some("k1")).await;
    assert_eq!((answer.status, &answer.body["order_id"]), (422, &Value::Null));

    world.cluster.broker_down(1).unwrap();
    eventually("not ready", async || service.get("/readyz").await.status == 503).await;
    let answer = place(&service, &order("c1", "apple"), Some("k1")).await;
    assert_eq!((answer.status, answer.kind()), (503, "kafka-unavailable"));
    assert_eq!(answer.body["retry"], "later");
    does_not_deny(&answer, of_key("c1", "k1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_is_not_ready_does_not_deny_the_order_either() {
    let world = World::new();
    world.sell("apple", 59, "USD").await;
    let first = world.ready().await;
    let body = order("c1", "apple");
    assert_eq!(place(&first, &body, Some("k1")).await.status, 202);
    let events = world.events(Topic::Orders);
    let [Event::OrderPlaced(placed)] = events.as_slice() else { panic!("{events:?}") };

    // It cannot read the catalogue: the ids are known, the prices are not.
    world.cluster.broker_round_trip_time(1, Duration::from_secs(30)).unwrap();
    let second = world.start();
    eventually("it answers", async || second.get("/livez").await.status == 200).await;
    let answer = place(&second, &body, Some("k1")).await;
    assert_eq!((answer.status, answer.kind()), (503, "not-ready"), "{answer:?}");
    does_not_deny(&answer, placed.order_id);
}
