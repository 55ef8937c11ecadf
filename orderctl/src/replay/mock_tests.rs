//! A replay of a small log, read from librdkafka's own mock broker.

use std::time::Duration;

use clap::Parser;
use events_schema::Event;
use events_schema::envelope;
use events_schema::wire::Encoder;
use kafka_client::KafkaSettings;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseProducer, BaseRecord, DefaultProducerContext, Producer};
use serde_json::Value;

use super::*;
use crate::testing::{cancel_requested, confirmed, encoder, order, placed, schema};

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    args: Args,
}

struct Log {
    cluster: MockCluster<'static, DefaultProducerContext>,
    producer: BaseProducer,
    encoder: Encoder,
}

impl Log {
    fn new() -> Self {
        let cluster = MockCluster::new(1).unwrap();
        cluster.create_topic("orders", 2, 1).unwrap();
        let mut config = rdkafka::ClientConfig::new();
        config.set("bootstrap.servers", cluster.bootstrap_servers());
        Self { cluster, producer: config.create().unwrap(), encoder: encoder() }
    }

    fn append(&self, partition: i32, event: impl Into<Event>) {
        let event = event.into();
        let value = self.encoder.encode(&event, vec![]).unwrap();
        let pairs = envelope::headers(&event, "/test", None);
        let headers = pairs.iter().fold(OwnedHeaders::new(), |headers, (key, value)| {
            headers.insert(Header { key, value: Some(value.as_bytes()) })
        });
        let record = BaseRecord::to("orders").key(event.key()).payload(&value);
        self.send(record.partition(partition).headers(headers));
    }

    fn append_bytes(&self, partition: i32, value: &[u8]) {
        self.send(BaseRecord::<str, [u8]>::to("orders").payload(value).partition(partition));
    }

    fn send<K: rdkafka::message::ToBytes + ?Sized>(
        &self,
        record: BaseRecord<'_, K, impl rdkafka::message::ToBytes + ?Sized>,
    ) {
        self.producer.send(record).map_err(|(error, _)| error).unwrap();
        self.producer.flush(Duration::from_secs(5)).unwrap();
    }

    fn replay(&self, args: &str) -> anyhow::Result<Vec<Value>> {
        let words = ["replay", "orders"].into_iter().chain(args.split_whitespace());
        let args = Line::try_parse_from(words).unwrap().args;
        let settings = KafkaSettings::at(self.cluster.bootstrap_servers(), "");
        let mut out = Vec::new();
        Replay::new(&args, schema, &mut out).run(&LogReader::new(settings)?)?;
        let lines = String::from_utf8(out).unwrap();
        Ok(lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
    }
}

fn places(lines: &[Value]) -> Vec<(i64, i64)> {
    let number = |line: &Value, name: &str| line[name].as_i64().unwrap();
    lines.iter().map(|line| (number(line, "partition"), number(line, "offset"))).collect()
}

fn three_orders() -> Log {
    let log = Log::new();
    log.append(0, placed(1));
    log.append(0, confirmed(1));
    log.append(1, placed(2));
    log.append(0, cancel_requested(1));
    log.append(0, placed(3));
    log
}

#[test]
fn every_record_is_printed_once_in_the_order_of_its_partition() {
    let lines = three_orders().replay("").unwrap();
    let (first, second): (Vec<_>, Vec<_>) =
        places(&lines).into_iter().partition(|(partition, _)| *partition == 0);
    assert_eq!(first, [(0, 0), (0, 1), (0, 2), (0, 3)]);
    assert_eq!(second, [(1, 0)]);
}

#[test]
fn a_line_says_where_the_record_stands_and_what_it_is() {
    let lines = three_orders().replay("--partition 1 --headers").unwrap();
    let [line] = lines.as_slice() else { panic!("{lines:?}") };
    let id = order(2).to_string();
    assert_eq!(line["topic"], "orders");
    assert_eq!(line["type"], "OrderPlaced");
    assert_eq!(line["subject"], id.as_str());
    assert_eq!(line["event"]["order_id"], id.as_str());
    assert_eq!(line["event_id"], line["event"]["event_id"]);
    assert_eq!(line["key"], line["event"]["customer_id"]);
    assert_eq!(line["headers"]["ce_type"], "orderflow.OrderPlaced");
    assert!(line["timestamp"].as_str().unwrap().ends_with('Z'));
}

#[test]
fn types_orders_customers_partitions_and_a_limit_choose_records() {
    let log = three_orders();
    let found = |args: &str| places(&log.replay(args).unwrap());
    assert_eq!(found("--type OrderConfirmed"), [(0, 1)]);
    assert_eq!(found("--type OrderConfirmed --type OrderCancelRequested"), [(0, 1), (0, 2)]);
    assert_eq!(found(&format!("--order {}", order(1))), [(0, 0), (0, 1), (0, 2)]);
    assert_eq!(found("--customer customer-2"), [(1, 0)]);
    assert_eq!(found("--partition 0 --limit 2"), [(0, 0), (0, 1)]);
    assert_eq!(found("--partition 0 --from-offset 3"), [(0, 3)]);
}

#[test]
fn a_contact_is_printed_only_when_asked_for() {
    let log = three_orders();
    let lines = log.replay("--type OrderPlaced").unwrap();
    assert!(lines.iter().all(|line| line["event"]["contact"] == "redacted"), "{lines:?}");
    let lines = log.replay("--partition 1 --with-personal-data").unwrap();
    assert_eq!(lines[0]["event"]["contact"]["email"], "customer-2@example.com");
}

#[test]
fn a_record_that_cannot_be_decoded_is_printed_with_its_cause_and_the_next_ones_follow() {
    let log = Log::new();
    log.append_bytes(0, b"garbage");
    log.append_bytes(0, &[0, 0, 0, 0, 99, 1]);
    log.append(0, placed(1));
    let lines = log.replay("--with-personal-data").unwrap();
    let cause = |line: &Value| line["undecodable"].as_str().unwrap_or_default().to_owned();
    assert_eq!(
        cause(&lines[0]),
        "the value starts with 0x67 instead of the wire format's zero byte"
    );
    assert_eq!(lines[0]["value_base64"], "Z2FyYmFnZQ==");
    assert_eq!(cause(&lines[1]), "the schema registry knows no schema id 99");
    assert_eq!(lines[2]["type"], "OrderPlaced");
    let lines = log.replay("").unwrap();
    assert_eq!(lines[0]["value_base64"], "redacted");
}

#[test]
fn a_topic_that_is_not_there_is_a_gap_and_not_an_empty_answer() {
    let log = Log::new();
    let settings = KafkaSettings::at(log.cluster.bootstrap_servers(), "other-");
    let error = LogReader::new(settings).unwrap().extents("orders").unwrap_err();
    assert_eq!(error.to_string(), "there is no topic other-orders");
}

/// Rendered by several threads, of which each takes a batch.
#[test]
fn a_log_of_many_batches_is_printed_in_order_and_up_to_the_limit() {
    const RECORDS: i64 = 5_000;
    let log = Log::new();
    for _ in 0..RECORDS {
        let record = BaseRecord::<str, [u8]>::to("orders").payload(b"garbage").partition(0);
        log.producer.send(record).map_err(|(error, _)| error).unwrap();
    }
    log.producer.flush(Duration::from_secs(5)).unwrap();
    log.append(1, placed(1));
    let offsets = |args: &str| {
        let places = places(&log.replay(args).unwrap());
        let of_first = places.into_iter().filter(|(partition, _)| *partition == 0);
        of_first.map(|(_, offset)| offset).collect::<Vec<_>>()
    };
    assert_eq!(offsets(""), (0..RECORDS).collect::<Vec<_>>());
    assert_eq!(offsets("--partition 0 --limit 3000"), (0..3_000).collect::<Vec<_>>());
}
