//! How the catalogue follows the products topic.

use events_schema::{Event, Topic};
use rdkafka::Message;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use serde_json::json;
use waiting::eventually;

use crate::harness::{Answer, World, headers, order, product};

#[tokio::test(flavor = "multi_thread")]
async fn the_last_description_of_a_product_counts() {
    let world = World::new();
    for price in [59, 61, 60] {
        world.sell("apple", price, "USD").await;
    }
    let service = world.ready().await;
    assert_eq!(service.place(&order("c1", "apple")).await.status, 202);
    let events = world.events(Topic::Orders);
    let [Event::OrderPlaced(placed)] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!(placed.lines[0].unit_price_minor.get(), 60);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_cannot_be_read_hides_no_other() {
    let world = World::new();
    world.write(Topic::Products, "apple", Some(b"not Avro")).await;
    world.write(Topic::Products, "apple", Some(&[0, 0, 0, 0, 99, 1])).await;
    world.sell("apple", 59, "USD").await;
    world.write(Topic::Products, "apple", Some(&[0, 0, 0, 0, 1])).await;
    let service = world.ready().await;
    assert_eq!(service.place(&order("c1", "apple")).await.status, 202);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_product_can_be_ordered_once_it_is_described_and_no_more_after_its_tombstone() {
    let world = World::new();
    let service = world.ready().await;
    assert_eq!(service.place(&order("c1", "pear")).await.status, 404);
    let pear =
        json!({"name": "Pears", "department": "Produce", "price_minor": 30, "currency": "USD"});
    let put = service.http.put(format!("{}/v1/products/pear", service.url)).json(&pear);
    assert_eq!(Answer::of(put).await.status, 202);
    eventually("the pear is known", async || {
        service.place(&order("c1", "pear")).await.status == 202
    })
    .await;
    world.write(Topic::Products, "pear", None).await;
    eventually("the pear is gone", async || {
        service.place(&order("c1", "pear")).await.status == 404
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_description_under_the_key_of_another_product_changes_no_price() {
    let world = World::new();
    world.sell("tea", 999, "USD").await;
    world.sell_under("milk", "tea", 1).await;
    world.sell_under("", "tea", 1).await;
    let service = world.ready().await;
    assert_eq!(service.place(&order("c1", "tea")).await.status, 202);
    assert_eq!(service.place(&order("c1", "milk")).await.status, 404);
    let events = world.events(Topic::Orders);
    let [Event::OrderPlaced(placed)] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!(placed.lines[0].unit_price_minor.get(), 999);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tombstone_is_all_that_compaction_may_have_left_of_a_product() {
    let world = World::new();
    world.write(Topic::Products, "pear", None).await;
    world.write(Topic::Products, "no sku", None).await;
    world.sell("apple", 59, "USD").await;
    let service = world.ready().await;
    assert_eq!(service.place(&order("c1", "pear")).await.status, 404);
    assert_eq!(service.place(&order("c1", "apple")).await.status, 202);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_product_is_delisted_by_a_tombstone_as_often_as_it_is_asked_for() {
    let world = World::new();
    world.sell("pear", 30, "USD").await;
    let service = world.ready().await;
    for _ in 0..2 {
        let delete = service.http.delete(format!("{}/v1/products/pear", service.url));
        let answer = Answer::of(delete).await;
        assert_eq!((answer.status, answer.body["sku"].as_str()), (202, Some("pear")), "{answer:?}");
        assert!(answer.header("order-position").starts_with("products:"), "{answer:?}");
    }
    eventually("the pear is gone", async || {
        service.place(&order("c1", "pear")).await.status == 404
    })
    .await;
    let records = world.read(Topic::Products);
    let tombstones = records.iter().filter(|record| record.payload().is_none());
    for tombstone in tombstones.clone() {
        let headers = headers(tombstone);
        assert_eq!(headers["ce_type"], "orderflow.ProductDelisted");
        assert_eq!((headers["ce_subject"].as_str(), tombstone.key()), ("pear", Some(&b"pear"[..])));
    }
    assert_eq!(tombstones.count(), 2);
    let delete = service.http.delete(format!("{}/v1/products/a%20b", service.url));
    assert_eq!(Answer::of(delete).await.kind(), "invalid-path");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_catalogue_that_waits_for_the_registry_says_so_and_how_far_it_is_behind() {
    let world = World::new();
    let service = world.ready().await;
    world.registry.tell(false);
    for (sku, schema) in [("apple", 106), ("pear", 206)] {
        world.write(Topic::Products, sku, Some(&product(schema, sku, 59, "USD"))).await;
    }
    service.until_down("catalogue", "the schema registry at").await;
    service.until_metric("orderflow_catalogue_lag_records", 2).await;
    world.registry.tell(true);
    service.until_ready().await;
    for sku in ["apple", "pear"] {
        eventually("the product is known", async || {
            service.place(&order("c1", sku)).await.status == 202
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_catalogue_whose_topic_is_gone_says_so_until_it_is_back() {
    let world = World::new();
    world.sell("apple", 59, "USD").await;
    let service = world.ready().await;
    let topic = Topic::Products.name();
    let gone = RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
    world.cluster.topic_error(topic, gone).unwrap();
    // What a deleted topic gives, too, but only after half a minute.
    let refused = RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED;
    world.cluster.request_errors(RDKafkaApiKey::Fetch, &[refused]);
    service.until_down("catalogue", "the products topic cannot be read").await;
    assert_eq!(service.place(&order("c1", "apple")).await.status, 202, "at the last price known");
    let fine = RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR;
    world.cluster.topic_error(topic, fine).unwrap();
    service.until_ready().await;
}
