//! Promise 1: 202 means replicated, and SIGTERM loses nothing that was acknowledged.

use std::time::Duration;

use futures::future::join_all;
use harness::{Deployment, HeldBrokers, Order, Shop, Violation, ensure, found_within};
use rdkafka::admin::{AdminClient, AdminOptions, AlterConfig, ResourceSpecifier};
use rdkafka::client::DefaultClientContext;
use rdkafka::producer::{FutureProducer, FutureRecord};
use serde_json::{Value, json};

const CLIENTS: usize = 50;
const WITHIN: Duration = Duration::from_secs(60);

#[tokio::test]
async fn sigterm_answers_every_request_in_flight_and_keeps_every_acknowledged_event() {
    let deployment = Deployment::new().await;
    let _inventory = deployment.start("inventory").await;
    let brokers = HeldBrokers::of(&deployment).await;
    let producer = deployment.service("producer-api", "producer-api").await;
    let producer = producer.env("KAFKA_BOOTSTRAP_SERVERS", &brokers.bootstrap_servers);
    let mut producer =
        producer.env("ACK_TIMEOUT_MS", "60000").env("SHUTDOWN_SECONDS", "80").start().await;
    let shop = Shop::at(&producer, None);
    shop.offer("milk", 249, 0).await;
    shop.place(&Order::of("first", "milk", 1)).await;

    brokers.hold();
    let asking = join_all((0..CLIENTS).map(|client| ask(&shop, client)));
    let stopping = async {
        found_within(WITHIN, "every request is in flight", async || {
            let in_flight = producer.metric("orderflow_publish_in_flight").await;
            (in_flight == CLIENTS as f64).then_some(())
        })
        .await;
        producer.ask_to_stop();
        found_within(WITHIN, "it takes no more connections", async || {
            (!producer.listens().await).then_some(())
        })
        .await;
        brokers.release();
        producer.stopped().await
    };
    let (answers, status) = tokio::join!(asking, stopping);

    assert!(status.success(), "{status}");
    let acknowledged: Vec<String> = answers.into_iter().map(|line| line.to_string()).collect();
    let ledger = deployment.folder().join("ledger.jsonl");
    std::fs::write(&ledger, acknowledged.join("\n")).unwrap();
    let arguments = ["verify", "--projection", "inventory", "--ledger", ledger.to_str().unwrap()];
    deployment.reads_to_the_end("inventory", WITHIN).await;
    deployment.orderctl(&arguments).await.expect_success();
}

/// One order, which must be acknowledged; its line of the ledger.
async fn ask(shop: &Shop, client: usize) -> Value {
    let answer = shop.try_place(&Order::of(&format!("c{client}"), "milk", 1)).await;
    let answer = answer.expect("a request in flight is answered");
    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
    let body: Value = answer.json().await.unwrap();
    assert_eq!(status, 202, "{body}");
    let position = headers["Order-Position"].to_str().unwrap();
    json!({ "order_id": body["order_id"], "position": position })
}

/// While the brokers refuse the record, no order may be answered 202.
pub(crate) async fn nothing_is_acknowledged_before_the_brokers(
    deployment: &Deployment,
    shop: &Shop,
) -> Result<(), Violation> {
    shop.offer("milk", 249, 0).await;
    shop.place(&Order::of("first", "milk", 1)).await;
    refuse_every_record(deployment, "ada").await;
    let before = records_of_orders(deployment);
    let answer = shop.try_place(&Order::of("ada", "milk", 1)).await.unwrap();
    let status = answer.status().as_u16();
    let in_log = records_of_orders(deployment) - before;
    ensure(in_log == 0, "the topic takes nothing")?;
    ensure(status != 202, "no 202 before the brokers acknowledge")?;
    ensure(status >= 500, format!("the client did nothing wrong, but was answered {status}"))
}

/// The topic takes no record that is longer than this many bytes. The brokers do what they were
/// told a little later, so somebody else tries until he is refused, under the same key.
async fn refuse_every_record(deployment: &Deployment, key: &str) {
    let admin: AdminClient<DefaultClientContext> = deployment.kafka().create().unwrap();
    let topic = deployment.topic("orders");
    let config = AlterConfig::new(ResourceSpecifier::Topic(&topic))
        .set("max.message.bytes", "10")
        .set("retention.ms", "-1");
    let done = admin.alter_configs([&config], &AdminOptions::new()).await.unwrap();
    done.into_iter().for_each(|result| drop(result.unwrap()));
    let other: FutureProducer = deployment.kafka().create().unwrap();
    found_within(WITHIN, "the topic refuses records", async || {
        let record = FutureRecord::to(&topic).key(key).payload("somebody else's");
        other.send(record, WITHIN).await.is_err().then_some(())
    })
    .await;
}

fn records_of_orders(deployment: &Deployment) -> i64 {
    deployment.ends(&deployment.topic("orders")).values().sum()
}
