//! A log that grows while it is read, on librdkafka's own mock broker.

use std::time::Duration;

use kafka_client::KafkaSettings;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseProducer, BaseRecord, DefaultProducerContext, Producer};

use super::*;
use crate::testing::{confirmed, encoder, order, placed, schema};

struct Log {
    _cluster: MockCluster<'static, DefaultProducerContext>,
    producer: BaseProducer,
    reader: LogReader,
}

impl Log {
    fn new() -> Self {
        let cluster = MockCluster::new(1).unwrap();
        for topic in Topic::ALL {
            cluster.create_topic(topic.name(), 2, 1).unwrap();
        }
        let settings = KafkaSettings::at(cluster.bootstrap_servers(), "");
        let mut config = rdkafka::ClientConfig::new();
        config.set("bootstrap.servers", cluster.bootstrap_servers());
        let (producer, reader) = (config.create().unwrap(), LogReader::new(settings).unwrap());
        Self { _cluster: cluster, producer, reader }
    }

    fn append(&self, event: impl Into<Event>) {
        let event = event.into();
        let value = encoder().encode(&event, vec![]).unwrap();
        let record = BaseRecord::to("orders").key(event.key()).payload(&value).partition(1);
        self.producer.send(record).map_err(|(error, _)| error).unwrap();
        self.producer.flush(Duration::from_secs(5)).unwrap();
    }
}

fn at(offset: i64) -> RecordPosition {
    RecordPosition { topic: Topic::Orders, partition: 1, offset }
}

#[test]
fn what_comes_while_the_log_is_read_is_read_once_and_nothing_twice() {
    let log = Log::new();
    let mut decoding = Decoding::new(schema);
    let mut reading = Reading::new(None, &Projection::ALL);
    log.append(placed(1));
    reading.catch_up(&log.reader, &mut decoding, &HashSet::new()).unwrap();
    assert_eq!(reading.records, 1);
    log.append(confirmed(1));
    assert_eq!(reading.read_on(&log.reader, &mut decoding, &HashSet::new()).unwrap(), 1);
    assert_eq!(reading.read_on(&log.reader, &mut decoding, &HashSet::new()).unwrap(), 0);
    let places: Vec<RecordPosition> =
        reading.story.orders[&order(1)].iter().map(|told| told.place).collect();
    assert_eq!(places, [at(0), at(1)]);
}

#[test]
fn what_was_parked_after_it_was_read_is_looked_at_again() {
    let log = Log::new();
    let mut decoding = Decoding::new(schema);
    let mut reading = Reading::new(None, &Projection::ALL);
    (1..5).for_each(|n| log.append(placed(n)));
    reading.catch_up(&log.reader, &mut decoding, &[at(0)].into()).unwrap();
    let parked = [at(0), at(1), at(3), at(9)].into();
    reading.look_again(&log.reader, &mut decoding, &parked).unwrap();
    let mut found: Vec<RecordPosition> = reading.story.parked.keys().copied().collect();
    found.sort_unstable();
    assert_eq!(found, [at(0), at(1), at(3)]);
    assert_eq!(reading.story.parked[&at(3)].event, Some(placed(4).into()));
    assert_eq!(reading.records, 4, "nothing is told twice");
}
