//! Other people's tools read our topics: kcat, and Python's confluent-kafka with the Avro
//! deserializer, through the registry.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use harness::{Deployment, Order, Shop, holds_within, python_tool};
use serde_json::Value;

/// Whoever takes longer hangs, and would keep the whole run.
const WITHIN: Duration = Duration::from_secs(120);

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
async fn the_registry_knows_every_record_that_kcat_shows_under_the_name_in_its_header() {
    let (deployment, _services) = with_some_orders().await;
    let expected = [
        ("orders", vec![("OrderConfirmed", 3), ("OrderPlaced", 4), ("OrderRejected", 1)]),
        ("products", vec![("ProductUpserted", 1)]),
        ("stock", vec![("StockReceived", 1)]),
    ];
    for (topic, expected) in expected {
        let mut counts = BTreeMap::<String, i32>::new();
        for record in records(&deployment, topic).await {
            let id = record.value.split_at(1).1.first_chunk().unwrap();
            assert_eq!(record.value[0], 0, "the wire format's first byte");
            let name = name_of_schema(&deployment, u32::from_be_bytes(*id)).await;
            assert_eq!(name, record.event_type, "{topic}");
            *counts.entry(name).or_default() += 1;
        }
        let expected = expected.into_iter().map(|(name, n)| (format!("orderflow.{name}"), n));
        assert_eq!(counts, expected.collect(), "{topic}");
    }
}

/// A record as kcat shows it.
struct Record {
    event_type: String,
    value: Vec<u8>,
}

/// Everything in the topic: of each record a line with the value's size, one with its headers, and
/// the value as it is.
async fn records(deployment: &Deployment, topic: &str) -> Vec<Record> {
    let topic = deployment.topic(topic);
    let output = tokio::process::Command::new("kcat")
        .args(["-C", "-q", "-e", "-o", "beginning", "-b", &deployment.stack.kafka, "-t", &topic])
        .args(["-f", r"%S\n%h\n%s"])
        .output()
        .await
        .expect("kcat: scripts/install installs it");
    assert!(output.status.success(), "{output:?}");
    let mut rest = output.stdout.as_slice();
    let mut records = Vec::new();
    while !rest.is_empty() {
        let size: usize = line(&mut rest).parse().unwrap();
        let headers = line(&mut rest);
        let event_type = headers.split(',').find_map(|header| header.strip_prefix("ce_type="));
        let event_type = event_type.expect("a ce_type header").to_owned();
        let (value, behind) = rest.split_at(size);
        records.push(Record { event_type, value: value.to_owned() });
        rest = behind;
    }
    records
}

fn line(rest: &mut &[u8]) -> String {
    let end = rest.iter().position(|byte| *byte == b'\n').expect("the end of a line");
    let (line, behind) = rest.split_at(end);
    *rest = &behind[1..];
    String::from_utf8(line.to_owned()).unwrap()
}

/// The full name of the record type that the registry knows under this id.
async fn name_of_schema(deployment: &Deployment, id: u32) -> String {
    let url = format!("{}/schemas/ids/{id}", deployment.stack.registry);
    let answer = harness::client().get(url).send().await.unwrap().error_for_status().unwrap();
    let answer: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
    let schema: Value = serde_json::from_str(answer["schema"].as_str().unwrap()).unwrap();
    let part = |name: &str| schema[name].as_str().unwrap();
    format!("{}.{}", part("namespace"), part("name"))
}

#[tokio::test]
async fn pythons_avro_deserializer_reads_every_topic_through_the_registry() {
    let (deployment, _services) = with_some_orders().await;
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let output = python_tool("python")
        .arg(repository.join("tests/clients/read_with_avro_deserializer.py"))
        .args(["orders", "products", "stock"].map(|topic| deployment.topic(topic)))
        .output();
    let output = tokio::time::timeout(WITHIN, output).await.expect("the client ends");
    let output = output.expect("the scripts' Python environment: run scripts/test");
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
