//! How the catalogue follows the products topic.

use events_schema::{Event, Topic};
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use serde_json::json;

use crate::harness::{Answer, World, eventually, order, product};

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
