//! Other people's tools read our topics: kcat, and Python's confluent-kafka with the Avro
//! deserializer, through the registry.

use std::path::Path;
use std::time::Duration;

use harness::{Deployment, Order, Shop, holds_within};
use serde_json::Value;

async fn with_some_orders() -> (Deployment, Vec<harness::Service>) {
    let deployment = Deployment::new().await;
    let producer = deployment.start("producer-api").await;
    let inventory = deployment.start("inventory").await;
    let shop = Shop::at(&producer, None);
    shop.offer("milk", 249, 3).await;
    deployment.in_stock("milk", 3).await;
    for customer in ["ada", "ben", "chen", "dora"] {
        shop.place(&Order::of(customer, "milk", 1)).await;
    }
    let published =
        "SELECT count(*) FROM inventory.orders WHERE NOT EXISTS (SELECT FROM inventory.outbox)";
    let done = async || deployment.number(published).await == 4;
    assert!(holds_within(Duration::from_secs(60), done).await, "every outcome is published");
    (deployment, vec![producer, inventory])
}

#[tokio::test]
async fn kcat_shows_what_each_record_is_and_under_which_schema() {
    let (deployment, _services) = with_some_orders().await;
    let topic = deployment.topic("orders");
    let output = tokio::process::Command::new("kcat")
        .args([
            "-C",
            "-q",
            "-e",
            "-o",
            "beginning",
            "-b",
            &deployment.stack.kafka,
            "-t",
            &topic,
            "-J",
        ])
        .output()
        .await
        .expect("kcat: scripts/install installs it");
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8_lossy(&output.stdout);
    let records: Vec<Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(records.len(), 8, "four orders and their four outcomes");
    for record in &records {
        let headers = record["headers"].as_array().unwrap();
        let at = headers.iter().position(|name| name == "ce_type").unwrap();
        assert!(headers[at + 1].as_str().unwrap().starts_with("orderflow.Order"), "{record}");
        assert!(["ada", "ben", "chen", "dora"].contains(&record["key"].as_str().unwrap()));
    }
}

#[tokio::test]
async fn pythons_avro_deserializer_reads_every_topic_through_the_registry() {
    let (deployment, _services) = with_some_orders().await;
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let output = tokio::process::Command::new(repository.join(".stack/cache/venv/bin/python"))
        .arg(repository.join("tests/clients/read_with_avro_deserializer.py"))
        .args(["orders", "products", "stock"].map(|topic| deployment.topic(topic)))
        .output()
        .await
        .expect("the scripts' Python environment: run scripts/test");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout);
    let records: Vec<Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let count = |name: &str| records.iter().filter(|record| record["type"] == name).count();
    assert_eq!(count("orderflow.OrderPlaced"), 4);
    assert_eq!(count("orderflow.OrderConfirmed"), 3);
    assert_eq!(count("orderflow.OrderRejected"), 1);
    assert_eq!(count("orderflow.ProductUpserted"), 1);
    assert_eq!(count("orderflow.StockReceived"), 1);
    let placed = records.iter().find(|record| record["type"] == "orderflow.OrderPlaced").unwrap();
    assert_eq!(placed["value"]["lines"][0]["unit_price_minor"], 249);
}
