//! Hands events to Kafka and waits for their delivery reports. Knows neither HTTP nor orders.

use std::cell::RefCell;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use ::metrics::{counter, gauge};
use chassis::health::Dependency;
use chassis::kafka::KafkaSettings;
use events_schema::wire::{EncodeError, Encoder};
use events_schema::{Event, Topic, envelope};
use rdkafka::ClientConfig;
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{DeliveryFuture, FutureProducer, FutureRecord, Producer};
use tokio::sync::{Notify, Semaphore};

use crate::connection::{Connection, Watch};
use crate::faults;
use crate::metrics::{PRODUCERS_REBUILT, Publishing, UNDELIVERED};
use crate::settings::PublishSettings;

/// Who wrote a record, in its headers.
const SOURCE: &str = "/producer-api";
/// Between two attempts to build a producer.
const PAUSE: Duration = Duration::from_secs(1);

/// Where a record is in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Position {
    topic: Topic,
    partition: i32,
    offset: i64,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}@{}", self.topic.name(), self.partition, self.offset)
    }
}

/// Why there is no position, sorted by what the client can say about its request.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PublishError {
    /// Too many are on their way; this one was not sent.
    #[error("too many records are on their way")]
    QueueFull,
    /// No broker takes it; this one was not sent.
    #[error("no broker takes the record")]
    Unavailable,
    /// It was sent, and nobody knows whether it arrived.
    #[error("the record has no delivery report")]
    Unknown,
    /// A defect of ours.
    #[error("could not encode the record")]
    Defect(#[from] EncodeError),
}

/// One producer and what it knows of its brokers.
struct Link {
    producer: FutureProducer<Watch>,
    connection: Arc<Connection>,
}

impl Link {
    /// After a fatal error a producer only refuses, and its error callback may not have said so.
    fn give_up_if_broken(&self) {
        if let Some((_, reason)) = self.producer.client().fatal_error() {
            self.connection.broken(&reason);
        }
    }
}

/// The process's one way into Kafka.
pub(crate) struct Publisher {
    link: RwLock<Arc<Link>>,
    config: ClientConfig,
    dependency: Dependency,
    broken: Arc<Notify>,
    /// One permit per record on its way.
    permits: Semaphore,
    topics: [String; Topic::ALL.len()],
    ack_timeout: Duration,
    metrics: Publishing,
}

impl Publisher {
    /// A publisher that connects in the background.
    ///
    /// # Errors
    /// When librdkafka refuses a setting.
    pub(crate) fn new(
        kafka: &KafkaSettings,
        settings: &PublishSettings,
        dependency: Dependency,
    ) -> KafkaResult<Self> {
        let PublishSettings { in_flight_max, ack_timeout } = *settings;
        let config = kafka.request_producer("producer-api", ack_timeout, in_flight_max);
        let broken = Arc::new(Notify::new());
        let link = connect(&config, &dependency, &broken)?;
        Ok(Self {
            link: RwLock::new(Arc::new(link)),
            config,
            dependency,
            broken,
            permits: Semaphore::new(in_flight_max),
            topics: Topic::ALL.map(|topic| kafka.prefixed(topic.name())),
            ack_timeout,
            metrics: Publishing::new(),
        })
    }

    /// Publishes the event and waits until it is replicated.
    ///
    /// # Errors
    /// At once when it cannot be sent; [`PublishError::Unknown`] when it was sent and the report
    /// does not come.
    pub(crate) async fn publish(
        &self,
        encoder: &Encoder,
        event: &Event,
        traceparent: &str,
    ) -> Result<Position, PublishError> {
        let started = Instant::now();
        let outcome = self.deliver(encoder, event, traceparent).await;
        match &outcome {
            Ok(_) => self.metrics.delivered.increment(1),
            Err(PublishError::QueueFull) => self.metrics.queue_full.increment(1),
            Err(PublishError::Unavailable) => self.metrics.unavailable.increment(1),
            Err(PublishError::Unknown) => self.metrics.unknown.increment(1),
            Err(PublishError::Defect(_)) => self.metrics.defect.increment(1),
        }
        self.metrics.seconds.record(started.elapsed());
        outcome
    }

    async fn deliver(
        &self,
        encoder: &Encoder,
        event: &Event,
        traceparent: &str,
    ) -> Result<Position, PublishError> {
        let Ok(_permit) = self.permits.try_acquire() else {
            return Err(PublishError::QueueFull);
        };
        let _counted = Counted::one(&self.metrics.in_flight);
        let link = self.link();
        if !link.connection.is_up() {
            return Err(PublishError::Unavailable);
        }
        let topic = event.event_type().topic();
        let report = self.send(&link.producer, encoder, event, traceparent);
        let report = report.inspect_err(|_| link.give_up_if_broken())?;
        if faults::ack_early() {
            return Ok(Position { topic, partition: 0, offset: 0 });
        }
        match report.await {
            Ok(Ok(delivery)) => {
                link.connection.up();
                Ok(Position { topic, partition: delivery.partition, offset: delivery.offset })
            }
            Ok(Err((error, _record))) => {
                link.give_up_if_broken();
                Err(undelivered(&error))
            }
            // The producer was dropped with the record in its hands.
            Err(_) => Err(PublishError::Unknown),
        }
    }

    /// Encodes into a buffer that each thread keeps: librdkafka copies what it is given.
    fn send(
        &self,
        producer: &FutureProducer<Watch>,
        encoder: &Encoder,
        event: &Event,
        traceparent: &str,
    ) -> Result<DeliveryFuture, PublishError> {
        thread_local! {
            static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
        }
        let mut buffer = BUFFER.take();
        buffer.clear();
        let value = encoder.encode(event, buffer)?;
        let record = FutureRecord::to(self.topic_name(event.event_type().topic()))
            .key(event.key())
            .payload(&value)
            .headers(headers(event, traceparent));
        let sent = producer.send_result(record).map_err(|(error, _record)| unsent(&error));
        BUFFER.set(value);
        sent
    }

    fn topic_name(&self, topic: Topic) -> &str {
        let [orders, products, stock] = &self.topics;
        match topic {
            Topic::Orders => orders,
            Topic::Products => products,
            Topic::Stock => stock,
        }
    }

    /// Puts a new producer in the place of a broken one, for as long as the process runs.
    pub(crate) async fn keep_alive(&self) {
        loop {
            self.broken.notified().await;
            counter!(PRODUCERS_REBUILT).increment(1);
            match connect(&self.config, &self.dependency, &self.broken) {
                Ok(link) => self.replace(link),
                Err(error) => {
                    tracing::error!(%error, "could not rebuild the producer");
                    tokio::time::sleep(PAUSE).await;
                    self.broken.notify_one();
                }
            }
        }
    }

    /// What the old producer still has in its hands gets its reports, then it goes.
    fn replace(&self, link: Link) {
        let mut slot = self.link.write().unwrap_or_else(PoisonError::into_inner);
        let old = std::mem::replace(&mut *slot, Arc::new(link));
        drop(slot);
        let ack_timeout = self.ack_timeout;
        tokio::task::spawn_blocking(move || {
            let _ = old.producer.flush(ack_timeout);
            drop(old);
        });
    }

    /// Waits until every record has its delivery report: those too whose client went away.
    ///
    /// # Errors
    /// With the number of records that had none within `within`.
    pub(crate) async fn close(&self, within: Duration) -> Result<(), i32> {
        let link = self.link();
        let left = tokio::task::spawn_blocking(move || {
            let _ = link.producer.flush(within);
            link.producer.in_flight_count()
        });
        let left = left.await.unwrap_or(0);
        gauge!(UNDELIVERED).set(left);
        if left == 0 { Ok(()) } else { Err(left) }
    }

    fn link(&self) -> Arc<Link> {
        Arc::clone(&self.link.read().unwrap_or_else(PoisonError::into_inner))
    }
}

fn connect(
    config: &ClientConfig,
    dependency: &Dependency,
    broken: &Arc<Notify>,
) -> KafkaResult<Link> {
    let connection = Arc::new(Connection::new(dependency.clone(), Arc::clone(broken)));
    let producer = config.create_with_context(Watch(Arc::clone(&connection)))?;
    Ok(Link { producer, connection })
}

fn headers(event: &Event, traceparent: &str) -> OwnedHeaders {
    let pairs = envelope::headers(event, SOURCE, Some(traceparent));
    let none = OwnedHeaders::new_with_capacity(pairs.len());
    pairs.iter().fold(none, |headers, (key, value)| {
        headers.insert(Header { key, value: Some(value.as_bytes()) })
    })
}

/// The client refused the record: it is not on its way.
fn unsent(error: &KafkaError) -> PublishError {
    if error.rdkafka_error_code() == Some(RDKafkaErrorCode::QueueFull) {
        return PublishError::QueueFull;
    }
    tracing::warn!(%error, "a record could not be handed over");
    PublishError::Unavailable
}

/// The report says no. Only where it says that the record never left us, or that the broker
/// refused it, is the outcome known.
fn undelivered(error: &KafkaError) -> PublishError {
    use RDKafkaErrorCode::{PurgeQueue, TopicAuthorizationFailed, UnknownPartition, UnknownTopic};
    tracing::warn!(%error, "a record was not delivered");
    match error.rdkafka_error_code() {
        Some(PurgeQueue | TopicAuthorizationFailed | UnknownPartition | UnknownTopic) => {
            PublishError::Unavailable
        }
        _ => PublishError::Unknown,
    }
}

/// Counted in a gauge for as long as it lives: also when the client goes away in the middle.
struct Counted<'a>(&'a ::metrics::Gauge);

impl<'a> Counted<'a> {
    fn one(gauge: &'a ::metrics::Gauge) -> Self {
        gauge.increment(1.0);
        Self(gauge)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.decrement(1.0);
    }
}
