//! Whoever reads `products` reads it by the same rule. Knows no header of the records that the API
//! writes: see its own tests.

use std::time::Duration;

use events_schema::wire::Encoder;
use events_schema::{Currency, EventId, EventType, ProductUpserted, Timestamp};
use harness::{CONSUMERS, Deployment, Order, Shop, found_within};
use rdkafka::producer::{FutureProducer, FutureRecord};

const WITHIN: Duration = Duration::from_secs(60);

/// Writes to `products` as anybody could, where the key belongs.
async fn write(deployment: &Deployment, key: &str, value: Option<&[u8]>) {
    let producer: FutureProducer = deployment.kafka().create().unwrap();
    let topic = deployment.topic("products");
    let record = FutureRecord { payload: value, ..FutureRecord::to(&topic).key(key) };
    producer.send(record, WITHIN).await.unwrap();
}

/// The value of a description, as the API would write it.
async fn described(deployment: &Deployment, sku: &str, price_minor: i64) -> Vec<u8> {
    let subject = EventType::ProductUpserted.subject();
    let url = format!("{}/subjects/{subject}/versions/latest", deployment.stack.registry);
    let answer = harness::client().get(url).send().await.unwrap().error_for_status().unwrap();
    let answer: serde_json::Value = answer.json().await.unwrap();
    let id = answer["id"].as_u64().unwrap().try_into().unwrap();
    let event = ProductUpserted {
        event_id: EventId::time_ordered(),
        sku: sku.parse().unwrap(),
        name: format!("Article {sku}").try_into().unwrap(),
        department: "GROCERY".to_owned().try_into().unwrap(),
        price_minor: price_minor.try_into().unwrap(),
        currency: Currency::USD,
        updated_at: Timestamp::from_micros(0),
    };
    let encoder = Encoder::new([(EventType::ProductUpserted, id)]);
    encoder.encode(&event.into(), vec![]).unwrap()
}

/// Every SKU with its price, as clients see them.
async fn listed(shop: &Shop) -> Vec<(String, i64)> {
    let products = shop.products().await;
    let product = |product: &serde_json::Value| {
        (product["sku"].as_str().unwrap().to_owned(), product["price_minor"].as_i64().unwrap())
    };
    products.iter().map(product).collect()
}

async fn until_listed(shop: &Shop, expected: &[(&str, i64)]) {
    let expected: Vec<_> = expected.iter().map(|(sku, p)| ((*sku).to_owned(), *p)).collect();
    found_within(WITHIN, "the catalogue", async || (listed(shop).await == expected).then_some(()))
        .await;
}

async fn until_answered(shop: &Shop, order: &Order, status: u16) {
    found_within(WITHIN, "the API follows", async || {
        (shop.try_place(order).await.unwrap().status() == status).then_some(())
    })
    .await;
}

#[tokio::test]
async fn the_api_and_every_projection_read_products_by_one_rule() {
    let deployment = Deployment::new().await;
    let (shop, _services) = deployment.start_all().await;
    shop.offer("milk", 249, 10).await;
    shop.offer("tea", 999, 10).await;
    until_listed(&shop, &[("milk", 249), ("tea", 999)]).await;

    // A tombstone by hand, without a header: nobody sells it, nobody parks it.
    write(&deployment, "milk", None).await;
    until_listed(&shop, &[("tea", 999)]).await;
    let milk = Order::of("ada", "milk", 1);
    until_answered(&shop, &milk, 404).await;

    // Tea under milk's key: nobody believes it, and no later word about tea waits behind it.
    write(&deployment, "milk", Some(&described(&deployment, "tea", 1).await)).await;
    write(&deployment, "tea", Some(&described(&deployment, "tea", 888).await)).await;
    until_listed(&shop, &[("tea", 888)]).await;

    shop.delist("tea").await;
    until_listed(&shop, &[]).await;
    until_answered(&shop, &Order::of("ada", "tea", 1), 404).await;

    shop.offer("milk", 259, 0).await;
    until_listed(&shop, &[("milk", 259)]).await;
    let placed = shop.place(&milk).await;
    assert_eq!(shop.becomes(&placed, "confirmed").await["total_minor"], 259);
    deployment.in_stock("milk", 9).await;
    for consumer in CONSUMERS {
        deployment.reads_to_the_end(consumer, WITHIN).await;
        let parked = format!("SELECT count(*) FROM \"{consumer}\".parked");
        assert_eq!(deployment.number(&parked).await, 1, "{consumer}: tea under milk's key");
    }
    deployment.orderctl(&["verify"]).await.expect_success();
}
