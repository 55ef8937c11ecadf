//! Follows the products topic from its beginning, on a thread of its own. Joins no group, commits
//! nothing, and stops for no record: what cannot be read is counted and passed over.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ::metrics::{Counter, Gauge, counter, gauge};
use chassis::Process;
use chassis::health::{Dependency, Heartbeat};
use chassis::kafka::KafkaSettings;
use events_schema::registry::{Registry, RegistryError};
use events_schema::wire::{DecodeError, Decoder, SchemaId};
use events_schema::{Event, Topic};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::BorrowedMessage;
use rdkafka::{ClientConfig, Message, Offset, TopicPartitionList};
use tokio::runtime::Handle;

use super::{Catalogue, Change, Prices};
use crate::metrics::{CATALOGUE_LAG, CATALOGUE_PRODUCTS, CATALOGUE_SKIPPED};

const POLL: Duration = Duration::from_millis(100);
/// Before the topic is read from its beginning again, and between questions to a registry.
const PAUSE: Duration = Duration::from_secs(1);
/// How long a question to the brokers may take.
const ASK: Duration = Duration::from_secs(5);
/// How often the lag is measured.
const MEASURE: Duration = Duration::from_secs(5);
/// A thread that has not come round for so long is stuck.
const STUCK: Duration = Duration::from_secs(60);

/// Starts the thread. It ends with the process.
///
/// # Errors
/// When the system gives no thread.
pub(crate) fn start(
    kafka: &KafkaSettings,
    registry: Arc<Registry>,
    catalogue: Catalogue,
    process: &Process,
) -> std::io::Result<std::thread::JoinHandle<()>> {
    let dependency = process.health.dependency("catalogue");
    dependency.down("reading the products topic");
    let follower = Follower {
        config: kafka.reader("producer-api-catalogue"),
        topic: kafka.prefixed(Topic::Products.name()),
        registry,
        runtime: Handle::current(),
        catalogue,
        process: process.clone(),
        dependency,
        heartbeat: process.health.heartbeat("catalogue", STUCK),
        decoder: Decoder::default(),
        metrics: Metrics::new(),
    };
    std::thread::Builder::new().name("catalogue".into()).spawn(move || follower.run())
}

struct Metrics {
    products: Gauge,
    lag: Gauge,
    skipped: Counter,
}

impl Metrics {
    fn new() -> Self {
        Self {
            products: gauge!(CATALOGUE_PRODUCTS),
            lag: gauge!(CATALOGUE_LAG),
            skipped: counter!(CATALOGUE_SKIPPED),
        }
    }
}

struct Follower {
    config: ClientConfig,
    topic: String,
    registry: Arc<Registry>,
    runtime: Handle,
    catalogue: Catalogue,
    process: Process,
    dependency: Dependency,
    heartbeat: Heartbeat,
    decoder: Decoder,
    metrics: Metrics,
}

/// How far one reading of the topic has come.
struct Reading {
    consumer: BaseConsumer,
    /// Per partition: the next offset to read.
    next: HashMap<i32, i64>,
    /// Partitions that have yet to reach the end that they had at the start, and that end.
    behind: HashMap<i32, i64>,
    /// What was read so far, until the end is reached: then the catalogue has it.
    first: Option<Prices>,
    measured: Instant,
}

impl Follower {
    fn run(mut self) {
        while !self.stopping() {
            let outcome = self.open().and_then(|reading| self.read(reading));
            self.heartbeat.beat();
            if let (Err(error), false) = (outcome, self.stopping()) {
                tracing::warn!(%error, "the products topic will be read from its beginning");
                std::thread::sleep(PAUSE);
            }
        }
    }

    fn stopping(&self) -> bool {
        self.process.shutdown.is_cancelled()
    }

    fn open(&self) -> KafkaResult<Reading> {
        let consumer: BaseConsumer = self.config.create()?;
        let metadata = consumer.fetch_metadata(Some(&self.topic), ASK)?;
        let topic = metadata.topics().iter().find(|topic| topic.name() == self.topic);
        let partitions = topic.map(|topic| topic.partitions()).unwrap_or_default();
        if partitions.is_empty() {
            return Err(KafkaError::MetadataFetch(RDKafkaErrorCode::UnknownTopic));
        }
        let mut assignment = TopicPartitionList::new();
        let (mut next, mut behind) = (HashMap::new(), HashMap::new());
        for partition in partitions {
            let (low, high) = consumer.fetch_watermarks(&self.topic, partition.id(), ASK)?;
            assignment.add_partition_offset(&self.topic, partition.id(), Offset::Offset(low))?;
            next.insert(partition.id(), low);
            if low < high {
                behind.insert(partition.id(), high);
            }
        }
        consumer.assign(&assignment)?;
        let first = Some(Prices::default());
        Ok(Reading { consumer, next, behind, first, measured: Instant::now() })
    }

    fn read(&mut self, mut reading: Reading) -> KafkaResult<()> {
        while !self.stopping() {
            self.heartbeat.beat();
            self.finish_first(&mut reading);
            let Reading { consumer, next, behind, first, measured } = &mut reading;
            match consumer.poll(POLL) {
                None => {}
                Some(Ok(record)) => {
                    self.take(&record, first);
                    let end = record.offset() + 1;
                    next.insert(record.partition(), end);
                    behind
                        .retain(|partition, high| *partition != record.partition() || end < *high);
                }
                Some(Err(KafkaError::PartitionEOF(partition))) => {
                    behind.remove(&partition);
                }
                Some(Err(error)) if passes(&error) => {
                    tracing::debug!(%error, "the products topic");
                }
                Some(Err(error)) => return Err(error),
            }
            if measured.elapsed() > MEASURE {
                self.measure(consumer, next);
                *measured = Instant::now();
            }
        }
        Ok(())
    }

    /// Hands the first reading over once it has reached the end.
    fn finish_first(&mut self, reading: &mut Reading) {
        if !reading.behind.is_empty() {
            return;
        }
        if let Some(prices) = reading.first.take() {
            tracing::info!(products = prices.len(), "the catalogue is known");
            self.metrics.products.set(prices.len() as f64);
            self.metrics.lag.set(0.0);
            self.catalogue.replace(prices);
            self.dependency.up();
        }
    }

    fn take(&mut self, record: &BorrowedMessage<'_>, first: &mut Option<Prices>) {
        match (self.decode(record), first) {
            (Ok(change), Some(prices)) => change.apply(prices),
            (Ok(change), None) => {
                let products = self.catalogue.change(change);
                self.metrics.products.set(products as f64);
            }
            (Err(reason), _) => {
                self.metrics.skipped.increment(1);
                let (partition, offset) = (record.partition(), record.offset());
                tracing::warn!(partition, offset, reason, "passed over a record of products");
            }
        }
    }

    fn decode(&mut self, record: &BorrowedMessage<'_>) -> Result<Change, String> {
        let Some(value) = record.payload() else {
            let key = record.key().and_then(|key| std::str::from_utf8(key).ok());
            let sku = key.and_then(|key| key.parse().ok());
            return sku.map(Change::Gone).ok_or_else(|| "a tombstone without a SKU".to_owned());
        };
        let decoded = match self.decoder.decode(value) {
            Err(DecodeError::UnknownSchema(id)) => {
                self.learn(id)?;
                self.decoder.decode(value)
            }
            decoded => decoded,
        };
        match decoded.map_err(|error| error.to_string())? {
            Event::ProductUpserted(event) => Ok(event.into()),
            other => Err(format!("{} does not belong here", other.event_type().name())),
        }
    }

    /// Asks the registry what an id means, for as long as it is away.
    fn learn(&mut self, id: SchemaId) -> Result<(), String> {
        loop {
            match self.runtime.block_on(self.registry.schema(id)) {
                Ok(schema) => {
                    self.decoder.learn(id, &schema);
                    return Ok(());
                }
                Err(error @ RegistryError::Unavailable { .. }) if !self.stopping() => {
                    tracing::warn!(%error, "the catalogue waits for the schema registry");
                    self.heartbeat.beat();
                    std::thread::sleep(PAUSE);
                }
                Err(error) => return Err(error.to_string()),
            }
        }
    }

    fn measure(&self, consumer: &BaseConsumer, next: &HashMap<i32, i64>) {
        let mut lag = 0;
        for (partition, next) in next {
            match consumer.fetch_watermarks(&self.topic, *partition, ASK) {
                Ok((low, high)) => lag += (high - low.max(*next)).max(0),
                // Without an answer the last figure stands.
                Err(_) => return,
            }
        }
        self.metrics.lag.set(lag as f64);
    }
}

/// Errors that librdkafka gets over by itself; after any other one the topic is read anew.
fn passes(error: &KafkaError) -> bool {
    use RDKafkaErrorCode::{
        AllBrokersDown, BrokerTransportFailure, LeaderNotAvailable, NotLeaderForPartition,
        OperationTimedOut, RequestTimedOut, Resolve,
    };
    matches!(
        error.rdkafka_error_code(),
        Some(
            AllBrokersDown
                | BrokerTransportFailure
                | LeaderNotAvailable
                | NotLeaderForPartition
                | OperationTimedOut
                | RequestTimedOut
                | Resolve
        )
    )
}
