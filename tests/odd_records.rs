//! Bad input: whatever a record is made of, it parks alone or is applied, in every consumer, and
//! what comes between and behind is not touched.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::time::Duration;

use events_schema::envelope;
use events_schema::wire::{Encoder, VALUE_BYTES_MAX};
use events_schema::{Event, EventId, EventType, StockReceived, Timestamp};
use harness::{CONSUMERS, Deployment, Order, Placed, Service, Shop, holds_within};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord};
use sqlx::AssertSqlSafe;

const WITHIN: Duration = Duration::from_secs(90);
const POISON: &[u8] = b"\xffno event at all";
/// Of the record that has a header whose name is no text.
const POISON_UNDER_NO_NAME: &[u8] = b"\xffno event either";
/// A schema id that no registry has given out.
const NOBODYS_SCHEMA: u32 = 2_000_000_000;
/// The brokers take a little less than 1 MiB; the rest is the record's frame.
const LARGEST: usize = VALUE_BYTES_MAX - 1024;

/// Sixteen times what the brokers take uncompressed.
const GIANT: usize = 16 * 1024 * 1024;

type Headers = Vec<(&'static str, Option<Vec<u8>>)>;

/// A record as somebody may write it.
#[derive(Default)]
struct Odd {
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Headers,
    /// Why it parks.
    cause: &'static str,
}

#[tokio::test]
async fn an_odd_record_parks_alone_and_the_orders_around_it_are_confirmed() {
    let deployment = Deployment::new().await;
    let (shop, services, first) = first_order(&deployment).await;
    let partition = first.partition();

    let producer = producer(&deployment);
    let mut expected = BTreeMap::new();
    let mut placed = vec![first];
    for odd in odd_orders(&foreign_schema(&deployment).await) {
        let cause = odd.cause;
        let offset = write(&producer, &deployment.topic("orders"), Some(partition), odd).await;
        expected.insert(offset, cause.to_owned());
        placed.push(shop.place(&Order::of("ada", "milk", 1)).await);
    }
    write_unreadable_name(&deployment, partition).await;
    placed.push(shop.place(&Order::of("ada", "milk", 1)).await);
    assert!(expected.len() > 12, "{expected:?}");

    for consumer in CONSUMERS {
        let done = holds_within(WITHIN, async || deployment.is_at_the_end(consumer).await).await;
        assert!(done, "{consumer} reads on to the end");
        assert_eq!(parked(&deployment, consumer).await, expected, "{consumer}");
        assert_eq!(parked_under_no_name(&deployment, consumer).await, 1, "{consumer}");
    }
    all_are_confirmed_and_nobody_started_anew(&shop, &placed, &services).await;
    deployment.orderctl(&["verify"]).await.expect_success();
}

/// The brokers bound a record as it is compressed; what is in it may be a hundred times that.
#[tokio::test]
async fn a_record_that_is_small_only_when_compressed_parks_like_any_other() {
    let deployment = Deployment::new().await;
    let (shop, services, first) = first_order(&deployment).await;
    let partition = first.partition();

    let mut config = deployment.kafka();
    config.set("compression.type", "zstd").set("message.max.bytes", "1000000000");
    let producer: FutureProducer = config.create().unwrap();
    let giant = || Some(vec![0xff; GIANT]);
    let poison =
        || Odd { key: Some(b"ada".to_vec()), value: Some(POISON.to_vec()), ..Odd::default() };
    let giants =
        [Odd { value: giant(), ..poison() }, Odd { headers: vec![("giant", giant())], ..poison() }];
    for odd in giants {
        write(&producer, &deployment.topic("orders"), Some(partition), odd).await;
    }
    let last = shop.place(&Order::of("ada", "milk", 1)).await;
    for consumer in CONSUMERS {
        let done = holds_within(WITHIN, async || deployment.is_at_the_end(consumer).await).await;
        assert!(done, "{consumer} reads on to the end");
        let causes: Vec<String> = parked(&deployment, consumer).await.into_values().collect();
        assert_eq!(causes, ["undecodable"; 2], "{consumer}");
        let copied = format!(
            "SELECT count(*) FROM \"{consumer}\".parked WHERE dead_lettered_at IS NOT NULL"
        );
        let copied = async || deployment.number(&copied).await == 2;
        assert!(holds_within(WITHIN, copied).await, "{consumer} copies them");
    }
    all_are_confirmed_and_nobody_started_anew(&shop, &[first, last], &services).await;
    deployment.orderctl(&["verify"]).await.expect_success();
}

/// Of ada, whose partition the odd records go to.
async fn first_order(deployment: &Deployment) -> (Shop, Vec<Service>, Placed) {
    let (shop, services) = deployment.start_all().await;
    shop.offer("milk", 249, 100).await;
    deployment.in_stock("milk", 100).await;
    let first = shop.place(&Order::of("ada", "milk", 1)).await;
    (shop, services, first)
}

async fn all_are_confirmed_and_nobody_started_anew(
    shop: &Shop,
    placed: &[Placed],
    services: &[Service],
) {
    for order in placed {
        shop.becomes(order, "confirmed").await;
    }
    for service in services {
        assert!(service.is_ready().await, "{}", service.url());
    }
}

/// Headers cannot spoil what the value says.
#[tokio::test]
async fn an_event_is_applied_whatever_its_headers_say() {
    let deployment = Deployment::new().await;
    let _inventory = deployment.start("inventory").await;
    let producer = producer(&deployment);
    let encoder = Encoder::new([(EventType::StockReceived, stock_schema(&deployment).await)]);
    let odd_headers = odd_headers();
    let count = odd_headers.len();
    for (n, headers) in odd_headers.into_iter().enumerate() {
        let sku = format!("odd-{n}");
        let value = Some(stock(&encoder, &sku));
        let odd = Odd { key: Some(sku.into_bytes()), value, headers, cause: "" };
        write(&producer, &deployment.topic("stock"), None, odd).await;
    }
    for n in 0..count {
        deployment.in_stock(&format!("odd-{n}"), 7).await;
    }
    assert_eq!(parked(&deployment, "inventory").await, BTreeMap::new());
}

fn odd_orders(foreign: &[u8]) -> Vec<Odd> {
    let key = || Some(b"ada".to_vec());
    let value = |value: &[u8], cause| Odd {
        key: key(),
        value: Some(value.to_vec()),
        cause,
        ..Odd::default()
    };
    let headed = |headers| Odd { headers, ..value(POISON, "undecodable") };
    let nobodys = [&[0], NOBODYS_SCHEMA.to_be_bytes().as_slice(), b"datum"].concat();
    let mut all = vec![
        value(b"", "undecodable"),
        Odd { key: key(), cause: "no-value", ..Odd::default() },
        value(&vec![0xff; LARGEST], "undecodable"),
        value(&vec![0; LARGEST], "foreign-schema"),
        value(foreign, "foreign-schema"),
        value(&nobodys, "foreign-schema"),
        Odd { key: None, ..value(POISON, "undecodable") },
        Odd { key: Some(vec![]), ..value(POISON, "undecodable") },
        Odd { key: Some(b"\xff\x00".to_vec()), ..value(POISON, "undecodable") },
        Odd {
            headers: vec![(envelope::TYPE, Some(b"orderflow.Nothing".to_vec()))],
            ..value(POISON, "unknown-event-type")
        },
    ];
    all.extend(odd_headers().into_iter().map(headed));
    all
}

/// What can be wrong with headers that name no other type.
fn odd_headers() -> Vec<Headers> {
    let text = |text: &str| Some(text.as_bytes().to_vec());
    let each = |value: &[u8]| {
        let names = [envelope::ID, envelope::SUBJECT, envelope::TIME, envelope::TRACEPARENT];
        names.map(|name| (name, Some(value.to_vec()))).to_vec()
    };
    vec![
        vec![],
        each(b""),
        each(b"\xff\xfe"),
        each(b"nul\0nul"),
        each(&vec![b'x'; 300 * 1024 / 4]),
        each("\u{202e}\u{fffd}\u{10ffff}".as_bytes()),
        vec![(envelope::SUBJECT, None), (envelope::ID, None), (envelope::TYPE, None)],
        vec![(envelope::ID, text("7")), (envelope::TIME, text("yesterday"))],
        vec![(envelope::SUBJECT, text("a")), (envelope::SUBJECT, text("b"))],
        vec![("", text("no name")), ("name\u{7f}", text("odd name"))],
        (0..2000).map(|_| ("again", text("and again"))).collect(),
    ]
}

fn stock(encoder: &Encoder, sku: &str) -> Vec<u8> {
    let event = Event::from(StockReceived {
        event_id: EventId::time_ordered(),
        sku: sku.parse().unwrap(),
        delta: 7.try_into().unwrap(),
        received_at: Timestamp::from_micros(0),
    });
    encoder.encode(&event, vec![]).unwrap()
}

fn producer(deployment: &Deployment) -> FutureProducer {
    let mut config = deployment.kafka();
    config.set("message.max.bytes", "10000000").create().unwrap()
}

/// The record's offset.
async fn write(producer: &FutureProducer, topic: &str, partition: Option<i32>, odd: Odd) -> i64 {
    let headers = odd.headers.iter().fold(OwnedHeaders::new(), |headers, (name, value)| {
        headers.insert(Header { key: name, value: value.as_ref() })
    });
    let mut record = FutureRecord::<[u8], [u8]>::to(topic).headers(headers);
    record.key = odd.key.as_deref();
    record.payload = odd.value.as_deref();
    record.partition = partition;
    producer.send(record, WITHIN).await.unwrap().offset
}

/// With kcat, because our own client cannot write a header's name that is no text.
async fn write_unreadable_name(deployment: &Deployment, partition: i32) {
    let topic = deployment.topic("orders");
    let value = deployment.folder().join("value");
    std::fs::write(&value, POISON_UNDER_NO_NAME).unwrap();
    let written = tokio::process::Command::new("kcat")
        .args(["-P", "-b", &deployment.stack.kafka, "-t", &topic, "-p", &partition.to_string()])
        .args(["-k", "ada", "-H", "before=1", "-H"])
        .arg(OsString::from_vec(b"\xff\xfe=2".to_vec()))
        .args(["-H", "behind=3"])
        .arg(&value)
        .status()
        .await
        .expect("kcat: scripts/install installs it");
    assert!(written.success());
}

/// Every header is kept, with other characters in the place of what is no text.
async fn parked_under_no_name(deployment: &Deployment, consumer: &str) -> i64 {
    let rows = format!(
        "SELECT count(*) FROM \"{consumer}\".parked WHERE payload = $1
         AND headers = '[[\"before\", \"1\"], [\"��\", \"2\"], [\"behind\", \"3\"]]'"
    );
    let rows = sqlx::query_scalar(AssertSqlSafe(rows)).bind(POISON_UNDER_NO_NAME);
    rows.fetch_one(&deployment.pool).await.unwrap()
}

/// Offset and cause of everything else that is parked.
async fn parked(deployment: &Deployment, consumer: &str) -> BTreeMap<i64, String> {
    let rows: Vec<(i64, String)> = sqlx::query_as(AssertSqlSafe(format!(
        "SELECT record_offset, cause FROM \"{consumer}\".parked WHERE payload IS DISTINCT FROM $1"
    )))
    .bind(POISON_UNDER_NO_NAME)
    .fetch_all(&deployment.pool)
    .await
    .unwrap();
    rows.into_iter().collect()
}

async fn stock_schema(deployment: &Deployment) -> u32 {
    let subject = EventType::StockReceived.subject();
    let url = format!("{}/subjects/{subject}/versions/latest", deployment.stack.registry);
    let answer = harness::client().get(url).send().await.unwrap().error_for_status().unwrap();
    let answer: serde_json::Value = answer.json().await.unwrap();
    answer["id"].as_u64().unwrap().try_into().unwrap()
}

/// A value under a schema that is registered, and no event of ours.
async fn foreign_schema(deployment: &Deployment) -> Vec<u8> {
    let schema = r#"{"type":"record","name":"Visit","namespace":"others","fields":[]}"#;
    let id = deployment.stack.register("others.Visit", schema).await;
    [&[0], id.to_be_bytes().as_slice()].concat()
}
