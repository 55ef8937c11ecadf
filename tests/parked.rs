//! Promise 4: a record that cannot be decoded parks, with what comes behind it of the same order;
//! the rest of the partition flows.

use std::time::Duration;

use events_schema::{IdempotencyKey, OrderId};
use harness::{Deployment, Order, holds_within};
use tokio::io::AsyncWriteExt;

const WITHIN: Duration = Duration::from_secs(60);
const POISON: &[u8] = b"\xffno event at all";

#[tokio::test]
async fn bytes_that_are_no_event_park_and_the_partition_goes_on() {
    let deployment = Deployment::new().await;
    let (shop, _services) = deployment.start_all().await;
    shop.offer("milk", 249, 10).await;
    deployment.in_stock("milk", 10).await;
    let first = shop.place(&Order::of("ada", "milk", 1)).await;
    shop.becomes(&first, "confirmed").await;

    // The order that the poison claims to be about is placed right behind it, in its partition.
    let key: IdempotencyKey = "basket-2".parse().unwrap();
    let order_id = OrderId::for_key(&"ada".parse().unwrap(), &key).to_string();
    let partition = first.partition().to_string();
    produce(&deployment, &partition, &order_id, POISON).await;
    let blocked = shop.place(&Order::of("ada", "milk", 1).key("basket-2")).await;
    assert_eq!(blocked.order_id, order_id);
    let behind = shop.place(&Order::of("ada", "milk", 1)).await;
    shop.becomes(&behind, "confirmed").await;

    for consumer in ["inventory", "confirmation-email", "analytics"] {
        the_poison_and_the_order_are_parked(&deployment, consumer, &order_id).await;
    }
    let (status, _) = shop.read(&order_id, &behind.position).await;
    assert_eq!(status, 404, "the parked order was not decided");
    let units = "SELECT available FROM inventory.stock WHERE sku = 'milk'";
    assert_eq!(deployment.number(units).await, 8);

    for consumer in ["inventory", "confirmation-email", "analytics"] {
        let done = holds_within(WITHIN, async || deployment.is_at_the_end(consumer).await).await;
        assert!(done, "{consumer} reads on to the end");
    }
    // What is parked is left out of the fold, and nothing else differs.
    deployment.orderctl(&["verify"]).await.expect_success();
}

async fn the_poison_and_the_order_are_parked(deployment: &Deployment, consumer: &str, order: &str) {
    let of_order = format!("FROM \"{consumer}\".parked WHERE subject = '{order}'");
    let both = format!("SELECT count(*) {of_order}");
    let parked = holds_within(WITHIN, async || deployment.number(&both).await >= 2).await;
    assert!(parked, "{consumer} parks the poison and the order behind it");
    let raw: Vec<u8> = sqlx::query_scalar(sqlx::AssertSqlSafe(format!(
        "SELECT payload {of_order} ORDER BY id LIMIT 1"
    )))
    .fetch_one(&deployment.pool)
    .await
    .unwrap();
    assert_eq!(raw, POISON, "{consumer} keeps the raw bytes");
    let caused = format!(
        "SELECT count(*) {of_order} AND blocked_by IS NULL AND cause <> '' AND detail <> ''"
    );
    assert_eq!(deployment.number(&caused).await, 1, "{consumer} names one cause");
}

/// A record of ada's orders, with kcat, as anybody could.
pub(crate) async fn produce(deployment: &Deployment, partition: &str, subject: &str, value: &[u8]) {
    let headers = [format!("ce_subject={subject}"), "ce_type=orderflow.OrderPlaced".to_owned()];
    kcat(deployment, ("orders", partition, "ada"), &headers, value).await;
}

/// A record of stock that only says what it is about.
pub(crate) async fn junk(deployment: &Deployment, partition: &str, subject: &str, value: &[u8]) {
    let headers = [format!("ce_subject={subject}")];
    kcat(deployment, ("stock", partition, subject), &headers, value).await;
}

/// To a topic, partition and key.
async fn kcat(
    deployment: &Deployment,
    (topic, partition, key): (&str, &str, &str),
    headers: &[String],
    value: &[u8],
) {
    let topic = deployment.topic(topic);
    let mut kcat = tokio::process::Command::new("kcat");
    kcat.args(["-P", "-b", &deployment.stack.kafka, "-t", &topic, "-p", partition, "-k", key]);
    kcat.args(headers.iter().flat_map(|header| ["-H", header]));
    let kcat = kcat.stdin(std::process::Stdio::piped()).spawn();
    let mut kcat = kcat.expect("kcat: scripts/install installs it");
    let mut stdin = kcat.stdin.take().unwrap();
    stdin.write_all(value).await.unwrap();
    drop(stdin);
    assert!(kcat.wait().await.unwrap().success());
}
