//! Follows the products topic from its beginning, on a thread of its own. Joins no group, commits
//! nothing, and stops for no record: what cannot be read is counted and passed over.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ::metrics::{Counter, Gauge, counter, gauge};
use chassis::Process;
use chassis::health::{Dependency, Heartbeat};
use events_schema::Topic;
use events_schema::reading::Invalid;
use events_schema::wire::{Decoder, SchemaId};
use kafka_client::{KafkaSettings, LogError, LogReader, Span, Step};
use rdkafka::ClientConfig;
use schema_registry::{Registry, RegistryError};
use tokio::runtime::Handle;

use super::fetched::Fetched;
use super::{Catalogue, Change, Prices};
use crate::metrics::{CATALOGUE_LAG, CATALOGUE_PRODUCTS, CATALOGUE_SKIPPED};

const POLL: Duration = Duration::from_millis(100);
/// Before the topic is read from its beginning again, and between questions to a registry.
const PAUSE: Duration = Duration::from_secs(1);
/// Why the catalogue is not to be relied on before the topic was read to its end.
const READING: &str = "reading the products topic";
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
    dependency.down(READING);
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
        first: None,
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
    /// What was read so far, until the end is reached: then the catalogue has it.
    first: Option<Prices>,
    metrics: Metrics,
}

/// How far one reading of the topic has come.
struct Reading {
    reader: LogReader,
    /// Per partition: the next offset to read.
    next: HashMap<i32, i64>,
    /// Partitions that have yet to reach the end that they had at the start, and that end.
    behind: HashMap<i32, i64>,
    /// A record whose schema the registry has yet to tell.
    waiting: Option<Fetched>,
    measured: Instant,
    /// Partitions of which everything was fetched, as far as they went then.
    at_end: HashSet<i32>,
    /// Where each partition ended when it was last measured, if nothing waited then.
    ends: HashMap<i32, i64>,
}

/// Whether a record could be taken.
enum Taken {
    Yes,
    /// The registry is away: the same record again.
    NotYet(String),
}

impl Follower {
    fn run(mut self) {
        while !self.stopping() {
            let outcome = self.open().and_then(|reading| self.read(reading));
            self.heartbeat.beat();
            if let (Err(error), false) = (outcome, self.stopping()) {
                tracing::warn!(%error, "the products topic will be read from its beginning");
                // The prices that are known are still used; nobody knows how old they are.
                self.dependency.down(format!("the products topic cannot be read: {error}"));
                std::thread::sleep(PAUSE);
            }
        }
    }

    fn stopping(&self) -> bool {
        self.process.shutdown.is_cancelled()
    }

    fn open(&self) -> Result<Reading, LogError> {
        let reader = LogReader::new(&self.config)?;
        let spans = reader.extents(&self.topic, ASK)?;
        reader.begin(&self.topic, &spans)?;
        let filled = spans.iter().filter(|span| span.start < span.end);
        Ok(Reading {
            reader,
            next: spans.iter().map(|span| (span.partition, span.start)).collect(),
            behind: filled.map(|span| (span.partition, span.end)).collect(),
            waiting: None,
            measured: Instant::now(),
            at_end: HashSet::new(),
            ends: HashMap::new(),
        })
    }

    fn read(&mut self, mut reading: Reading) -> Result<(), LogError> {
        self.first = Some(Prices::default());
        while !self.stopping() {
            self.heartbeat.beat();
            if reading.behind.is_empty() {
                self.finish_first();
            }
            self.measure(&mut reading);
            let has_waited = reading.waiting.is_some();
            let Some(record) = reading.record()? else { continue };
            match self.take(&record) {
                Taken::Yes => {
                    reading.advance(&record);
                    if has_waited && self.first.is_none() {
                        self.dependency.up();
                    }
                }
                Taken::NotYet(reason) => {
                    self.dependency.down(reason);
                    reading.waiting = Some(record);
                    std::thread::sleep(PAUSE);
                }
            }
        }
        Ok(())
    }

    /// Hands the first reading over: it has reached the end.
    fn finish_first(&mut self) {
        if let Some(prices) = self.first.take() {
            tracing::info!(products = prices.len(), "the catalogue is known");
            self.metrics.products.set(prices.len() as f64);
            self.metrics.lag.set(0.0);
            self.catalogue.replace(prices);
            self.dependency.up();
        }
    }

    fn take(&mut self, record: &Fetched) -> Taken {
        match self.decode(record) {
            Err(Unreadable::Yet(reason)) => return Taken::NotYet(reason),
            Ok(change) => self.change(change),
            Err(Unreadable::Ever(reason)) => {
                self.metrics.skipped.increment(1);
                let (partition, offset) = (record.partition, record.offset);
                tracing::warn!(partition, offset, reason, "passed over a record of products");
            }
        }
        Taken::Yes
    }

    fn change(&mut self, change: Change) {
        match &mut self.first {
            Some(prices) => change.apply(prices),
            None => {
                let products = self.catalogue.change(change);
                self.metrics.products.set(products as f64);
            }
        }
    }

    /// What the record says, by the rule that the projections read the topic by.
    fn decode(&mut self, record: &Fetched) -> Result<Change, Unreadable> {
        let as_logged = record.as_logged();
        let mut event = as_logged.read(&self.decoder).event;
        if let Some(id) = event.as_ref().err().and_then(Invalid::needs) {
            self.learn(id)?;
            event = as_logged.read(&self.decoder).event;
        }
        let event = event.map_err(|why| Unreadable::Ever(why.to_string()))?;
        Change::try_from(event).map_err(Unreadable::Ever)
    }

    /// Asks the registry what an id means.
    fn learn(&mut self, id: SchemaId) -> Result<(), Unreadable> {
        match self.runtime.block_on(self.registry.schema(id)) {
            Ok(schema) => {
                self.decoder.learn(id, &schema);
                Ok(())
            }
            Err(error @ RegistryError::Unavailable { .. }) => {
                Err(Unreadable::Yet(error.to_string()))
            }
            Err(error) => Err(Unreadable::Ever(error.to_string())),
        }
    }

    /// Measures the lag, now and then.
    fn measure(&self, reading: &mut Reading) {
        if reading.measured.elapsed() < MEASURE {
            return;
        }
        reading.measured = Instant::now();
        reading.pass_markers();
        let numbers: Vec<i32> = reading.next.keys().copied().collect();
        // Without an answer the last figure stands.
        let Ok(spans) = reading.reader.extents_of(&self.topic, &numbers, ASK) else { return };
        let mut lag = 0;
        for Span { partition, start, end } in spans {
            let next = reading.next.get(&partition).copied().unwrap_or_default();
            lag += (end - start.max(next)).max(0);
            if reading.waiting.is_none() {
                reading.ends.insert(partition, end);
            }
        }
        self.metrics.lag.set(lag as f64);
    }
}

impl Reading {
    /// What stood before the end that was measured last time, and was fetched since without a
    /// record coming of it, is no record: the marker of a transaction, or what was aborted.
    fn pass_markers(&mut self) {
        for (partition, end) in std::mem::take(&mut self.ends) {
            if self.at_end.contains(&partition) && self.waiting.is_none() {
                let next = self.next.entry(partition).or_default();
                *next = end.max(*next);
            }
        }
    }

    /// The record that waits, or the next one, if one comes.
    fn record(&mut self) -> Result<Option<Fetched>, LogError> {
        if let Some(record) = self.waiting.take() {
            return Ok(Some(record));
        }
        match self.reader.next(POLL)? {
            Step::Nothing => Ok(None),
            Step::Record(record) => {
                self.at_end.remove(&record.partition());
                Ok(Some(Fetched::copy(&record)))
            }
            Step::AtEnd(partition) => {
                self.at_end.insert(partition);
                self.behind.remove(&partition);
                Ok(None)
            }
        }
    }

    fn advance(&mut self, record: &Fetched) {
        let (partition, end) = (record.partition, record.offset + 1);
        self.next.insert(partition, end);
        self.behind.retain(|of, high| *of != partition || end < *high);
    }
}

/// Why a record says nothing.
enum Unreadable {
    /// The registry is away.
    Yet(String),
    /// It is none of ours.
    Ever(String),
}
