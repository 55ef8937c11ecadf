//! Promise 1: 202 means replicated, and SIGTERM loses nothing that was acknowledged.

use std::cell::Cell;
use std::time::{Duration, Instant};

use futures::future::join_all;
use harness::{Deployment, Order, Shop, Violation, ensure, holds_within};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, AlterConfig, ResourceSpecifier};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};

const CLIENTS: usize = 50;
const WITHIN: Duration = Duration::from_secs(30);
/// A request that was begun this long before SIGTERM has reached the API.
const ON_ITS_WAY: Duration = Duration::from_millis(50);

/// When a request was begun and ended, and with which status; `None` without an answer.
struct Asked {
    begun: Instant,
    ended: Instant,
    status: Option<u16>,
}

#[tokio::test]
async fn sigterm_answers_every_request_in_flight_and_keeps_every_acknowledged_event() {
    let deployment = Deployment::new().await;
    let mut producer = deployment.start("producer-api").await;
    let shop = Shop::at(&producer, None);
    shop.offer("milk", 249, 0).await;
    shop.place(&Order::of("first", "milk", 1)).await;

    let answered = Cell::new(0);
    let asking = join_all((0..CLIENTS).map(|client| ask_until_refused(&shop, client, &answered)));
    let stopping = async {
        holds_within(WITHIN, async || answered.get() > 4 * CLIENTS).await;
        let stopped_at = Instant::now();
        producer.ask_to_stop();
        (stopped_at, producer.stopped().await)
    };
    let (asked, (stopped_at, status)) = tokio::join!(asking, stopping);

    assert!(status.success(), "{status}");
    let asked: Vec<Asked> = asked.into_iter().flatten().collect();
    let in_flight = asked.iter().filter(|asked| asked.begun + ON_ITS_WAY < stopped_at);
    let unanswered = in_flight.filter(|asked| asked.status.is_none()).count();
    assert_eq!(unanswered, 0, "every request in flight is answered");
    assert!(asked.iter().any(|asked| asked.ended > stopped_at), "some were in flight");
    let acknowledged = asked.iter().filter(|asked| asked.status == Some(202)).count() as i64;
    let in_log = records_in(&deployment, "orders");
    assert!(in_log > acknowledged, "{acknowledged} acknowledged, {in_log} in the log");
}

/// One order after the other, until the API is gone.
async fn ask_until_refused(shop: &Shop, client: usize, answered: &Cell<usize>) -> Vec<Asked> {
    let order = Order::of(&format!("c{client}"), "milk", 1);
    let mut asked = Vec::new();
    loop {
        let begun = Instant::now();
        let answer = shop.try_place(&order).await;
        let status = answer.ok().map(|answer| answer.status().as_u16());
        asked.push(Asked { begun, ended: Instant::now(), status });
        match status {
            Some(_) => answered.set(answered.get() + 1),
            None => return asked,
        }
    }
}

/// While the brokers refuse the record, no order may be answered 202.
pub(crate) async fn nothing_is_acknowledged_before_the_brokers(
    deployment: &Deployment,
    shop: &Shop,
) -> Result<(), Violation> {
    shop.offer("milk", 249, 0).await;
    shop.place(&Order::of("first", "milk", 1)).await;
    let before = records_in(deployment, "orders");
    refuse_every_record(deployment).await;
    let answer = shop.try_place(&Order::of("ada", "milk", 1)).await.unwrap();
    let status = answer.status().as_u16();
    let in_log = records_in(deployment, "orders") - before;
    ensure(in_log == 0, "the topic takes nothing")?;
    ensure(status != 202, "no 202 before the brokers acknowledge")?;
    ensure(status >= 500, format!("the client did nothing wrong, but was answered {status}"))
}

/// The topic takes no record that is longer than this many bytes.
async fn refuse_every_record(deployment: &Deployment) {
    let admin: AdminClient<DefaultClientContext> = client(deployment).create().unwrap();
    let topic = deployment.topic("orders");
    let config = AlterConfig::new(ResourceSpecifier::Topic(&topic))
        .set("max.message.bytes", "10")
        .set("retention.ms", "-1");
    let done = admin.alter_configs([&config], &AdminOptions::new()).await.unwrap();
    done.into_iter().for_each(|result| drop(result.unwrap()));
}

fn records_in(deployment: &Deployment, topic: &str) -> i64 {
    let consumer: BaseConsumer = client(deployment).set("group.id", "count").create().unwrap();
    let topic = deployment.topic(topic);
    let metadata = consumer.fetch_metadata(Some(&topic), WITHIN).unwrap();
    let partitions = metadata.topics()[0].partitions();
    let end = |id| consumer.fetch_watermarks(&topic, id, WITHIN).unwrap().1;
    partitions.iter().map(|partition| end(partition.id())).sum()
}

fn client(deployment: &Deployment) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &deployment.stack.kafka);
    config
}
