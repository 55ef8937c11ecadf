//! `orderctl replay`: an analyst reads the log, from wherever he wants, and as much as he wants.

use std::time::Duration;

use harness::{Answer, Deployment, Order, Shop};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use serde_json::Value;

const WITHIN: Duration = Duration::from_secs(60);

fn lines(answer: Answer) -> Vec<Value> {
    let stdout = answer.expect_success().stdout;
    stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn records_are_chosen_by_type_customer_order_and_time() {
    let deployment = Deployment::new().await;
    let (shop, _services) = deployment.start_all().await;
    shop.offer("milk", 249, 2).await;
    deployment.in_stock("milk", 2).await;
    let first = shop.place(&Order::of("ada", "milk", 1)).await;
    shop.becomes(&first, "confirmed").await;
    // An outcome can be read before it is published: the second order would be older than it.
    deployment.reads_to_the_end("inventory", WITHIN).await;
    let last = shop.place(&Order::of("ben", "milk", 9)).await;
    shop.becomes(&last, "rejected").await;
    deployment.reads_to_the_end("inventory", WITHIN).await;
    let replay = async |more: &[&str]| {
        lines(deployment.orderctl(&[&["replay", "orders"], more].concat()).await)
    };
    assert_eq!(replay(&[]).await.len(), 4, "two orders and their outcomes");
    let rejected = replay(&["--type", "OrderRejected"]).await;
    assert_eq!(rejected.len(), 1);
    assert_eq!(rejected[0]["event"]["shortages"][0]["requested"], 9);
    let of_order = replay(&["--order", &first.order_id]).await;
    let types: Vec<&str> = of_order.iter().map(|line| line["type"].as_str().unwrap()).collect();
    assert_eq!(types, ["OrderPlaced", "OrderConfirmed"], "in the order of the log");

    // Somebody's clock is wrong: the youngest record says that it is the oldest.
    let topic = deployment.topic("orders");
    let late: BaseProducer = deployment.kafka().create().unwrap();
    let record: BaseRecord<'_, str, str> = BaseRecord::to(&topic).key("ben").payload("late");
    late.send(record.partition(last.partition()).timestamp(1)).unwrap();
    late.flush(WITHIN).unwrap();
    assert_eq!(replay(&[]).await.len(), 5);
    let of_ben = replay(&["--customer", "ben"]).await;
    let placed_at = of_ben[0]["timestamp"].as_str().unwrap();
    let since = replay(&["--from-time", placed_at]).await;
    assert_eq!(since.len(), 2, "{since:?}");
    assert!(since.iter().all(|line| line["timestamp"].as_str().unwrap() >= placed_at), "{since:?}");
}

#[tokio::test]
async fn names_and_addresses_are_shown_only_to_who_asks_for_them() {
    let deployment = Deployment::new().await;
    let producer = deployment.start("producer-api").await;
    let shop = Shop::at(&producer, None);
    shop.offer("milk", 249, 0).await;
    shop.place(&Order::of("ada", "milk", 1)).await;
    let quiet = deployment.orderctl(&["replay", "orders", "--headers"]).await.expect_success();
    assert!(!quiet.stdout.contains("ada@example.com") && !quiet.stdout.contains("Abbott"));
    let open = deployment.orderctl(&["replay", "orders", "--with-personal-data"]).await;
    assert!(open.expect_success().stdout.contains("ada@example.com"));
}

#[tokio::test]
async fn whoever_has_read_enough_ends_the_replay_quietly() {
    let deployment = Deployment::new().await;
    let producer = deployment.start("producer-api").await;
    // More than fits into a pipe and into the replay's own buffer.
    let url = producer.url();
    let load = ["load", "catalogue", "--generated", "--skus", "3000", "--api", &url];
    deployment.orderctl(&load).await.expect_success();
    assert_eq!(lines(deployment.orderctl(&["replay", "products"]).await).len(), 3000);
    let answer = deployment.shell("orderctl replay products | head --lines 1").await;
    let said = answer.stderr.clone();
    assert_eq!(lines(answer).len(), 1);
    assert_eq!(said, "");
}

#[tokio::test]
async fn what_cannot_be_replayed_is_said_before_anything_is_printed() {
    let deployment = Deployment::new().await;
    let producer = deployment.start("producer-api").await;
    Shop::at(&producer, None).offer("milk", 249, 1).await;
    let table: [(&[&str], i32); 4] = [
        (&["replay", "products", "nothing"], 3),
        (&["replay", "products", "stock", "--from-offset", "99:0"], 2),
        (&["replay", "products", "--partition", "1", "--from-offset", "2:0"], 2),
        (&["replay", "products", "stock", "--from-offset", "3:77"], 3),
    ];
    for (arguments, code) in table {
        let answer = deployment.orderctl(arguments).await;
        assert_eq!((answer.code, answer.stdout.as_str()), (Some(code), ""), "{arguments:?}");
    }
}

/// Behind an open transaction nothing can be read: that is not where the log ends.
#[tokio::test]
async fn a_transaction_that_stays_open_is_no_end_of_the_log() {
    let deployment = Deployment::new().await;
    let producer = deployment.start("producer-api").await;
    Shop::at(&producer, None).offer("milk", 249, 1).await;
    let topic = deployment.topic("stock");
    let other: BaseProducer = deployment.kafka().set("transactional.id", &topic).create().unwrap();
    other.init_transactions(WITHIN).unwrap();
    other.begin_transaction().unwrap();
    let record: BaseRecord<'_, str, str> = BaseRecord::to(&topic);
    other.send(record.partition(0).key("milk").payload("never committed")).unwrap();
    other.flush(WITHIN).unwrap();
    let answer = deployment.orderctl(&["replay", "stock"]).await;
    assert_eq!(answer.code, Some(3), "{answer:?}");
    assert!(answer.stderr.contains("transaction is open"), "{answer:?}");

    other.abort_transaction(WITHIN).unwrap();
    assert_eq!(lines(deployment.orderctl(&["replay", "stock"]).await).len(), 1);
}
