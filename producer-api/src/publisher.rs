//! Hands events to Kafka and waits for their delivery reports. Knows neither HTTP nor orders.

use std::cell::RefCell;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use ::metrics::{counter, gauge};
use anyhow::{Context, ensure};
use chassis::health::Dependency;
use events_schema::wire::{EncodeError, Encoder};
use events_schema::{Event, EventType, RecordPosition, Topic, envelope};
use kafka_client::KafkaSettings;
use rdkafka::ClientConfig;
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{DeliveryFuture, FutureProducer, FutureRecord, Producer};
use tokio::sync::{Notify, Semaphore};

use crate::connection::{Connection, Needs, Watch};
use crate::metrics::{PRODUCERS_REBUILT, Publishing, UNDELIVERED};
use crate::once_a_second::OnceASecond;
use crate::settings::PublishSettings;

/// Who wrote a record, in its headers.
const SOURCE: &str = "/producer-api";
/// Between two attempts to build a producer, and between two questions to silent brokers.
const PAUSE: Duration = Duration::from_secs(1);
/// How long a question to silent brokers may take.
const ASK: Duration = Duration::from_secs(2);

/// Why there is no position, sorted by what the client can say about its request.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PublishError {
    /// Too many are on their way; this one was not sent.
    #[error("too many records are on their way")]
    QueueFull,
    /// No broker takes it; this one was not handed over.
    #[error("no broker takes the record")]
    Unavailable,
    /// It was handed over, and nobody knows whether it arrived. So ends every report that says no:
    /// the client gives the same error codes to a record that never left it and to one of a batch
    /// that a broker has stored and not confirmed.
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
    attention: Arc<Notify>,
    /// One permit per record on its way.
    permits: Semaphore,
    topics: [String; Topic::ALL.len()],
    ack_timeout: Duration,
    metrics: Publishing,
    warnings: OnceASecond,
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
        let attention = Arc::new(Notify::new());
        let link = connect(&config, &dependency, &attention)?;
        Ok(Self {
            link: RwLock::new(Arc::new(link)),
            config,
            dependency,
            attention,
            permits: Semaphore::new(in_flight_max),
            topics: Topic::ALL.map(|topic| kafka.prefixed(topic.name())),
            ack_timeout,
            metrics: Publishing::new(),
            warnings: OnceASecond::default(),
        })
    }

    /// Publishes the event and waits until it is replicated. The event is dropped before the wait,
    /// so that the records on their way take no more memory than the client's own queue may.
    ///
    /// # Errors
    /// At once when it cannot be sent; [`PublishError::Unknown`] when it was sent and the report
    /// does not come.
    pub(crate) async fn publish(
        &self,
        encoder: &Encoder,
        event: Event,
        traceparent: &str,
    ) -> Result<RecordPosition, PublishError> {
        let outcome = self.deliver(encoder, event, traceparent).await;
        match &outcome {
            Ok(_) => self.metrics.delivered.increment(1),
            Err(PublishError::QueueFull) => self.metrics.queue_full.increment(1),
            Err(PublishError::Unavailable) => self.metrics.unavailable.increment(1),
            Err(PublishError::Unknown) => self.metrics.unknown.increment(1),
            Err(PublishError::Defect(_)) => self.metrics.defect.increment(1),
        }
        outcome
    }

    async fn deliver(
        &self,
        encoder: &Encoder,
        event: Event,
        traceparent: &str,
    ) -> Result<RecordPosition, PublishError> {
        let Ok(_permit) = self.permits.try_acquire() else {
            return Err(PublishError::QueueFull);
        };
        let _counted = Counted::one(&self.metrics.in_flight);
        let link = self.link();
        if !link.connection.is_up() {
            return Err(PublishError::Unavailable);
        }
        let topic = event.event_type().topic();
        let report = self.send(&link.producer, encoder, &event, traceparent);
        drop(event);
        let report = report.inspect_err(|_| link.give_up_if_broken())?;
        self.confirmed(&link, report, topic).await
    }

    async fn confirmed(
        &self,
        link: &Link,
        report: DeliveryFuture,
        topic: Topic,
    ) -> Result<RecordPosition, PublishError> {
        let handed_over = Instant::now();
        let report = report.await;
        self.metrics.seconds.record(handed_over.elapsed());
        match report {
            // After a change of leaders a broker may know that it has a batch already and not where:
            // then the client has no offset to report. Whoever asks again under the same key gets one.
            Ok(Ok(delivery)) if delivery.offset < 0 => {
                link.connection.delivered();
                Err(PublishError::Unknown)
            }
            Ok(Ok(delivery)) => {
                link.connection.delivered();
                Ok(RecordPosition { topic, partition: delivery.partition, offset: delivery.offset })
            }
            Ok(Err((error, _record))) => {
                link.give_up_if_broken();
                if error.rdkafka_error_code() == Some(RDKafkaErrorCode::MessageTimedOut) {
                    link.connection.timed_out(self.ack_timeout);
                }
                self.warn(&error, "records were not delivered");
                Err(PublishError::Unknown)
            }
            // The producer was dropped with the record in its hands.
            Err(_) => Err(PublishError::Unknown),
        }
    }

    fn warn(&self, error: &KafkaError, what: &str) {
        if let Some(records) = self.warnings.due() {
            tracing::warn!(%error, records, "{what}");
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
        let value = match event.event_type() {
            EventType::TOMBSTONE => buffer,
            _ => encoder.encode(event, buffer)?,
        };
        let mut record = FutureRecord::to(self.topic_name(event.event_type().topic()))
            .key(event.key())
            .headers(headers(event, traceparent));
        record.payload = Some(&value).filter(|_| event.event_type() != EventType::TOMBSTONE);
        let sent = producer.send_result(record).map_err(|(error, _record)| self.unsent(&error));
        BUFFER.set(value);
        sent
    }

    /// The client refused the record: it is not on its way.
    fn unsent(&self, error: &KafkaError) -> PublishError {
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::QueueFull) {
            return PublishError::QueueFull;
        }
        self.warn(error, "records could not be handed over");
        PublishError::Unavailable
    }

    fn topic_name(&self, topic: Topic) -> &str {
        let [orders, products, stock] = &self.topics;
        match topic {
            Topic::Orders => orders,
            Topic::Products => products,
            Topic::Stock => stock,
        }
    }

    /// Puts a new producer in the place of a broken one, and asks silent brokers whether they
    /// answer again, for as long as the process runs.
    pub(crate) async fn keep_alive(&self) {
        loop {
            self.attention.notified().await;
            let link = self.link();
            let done = match link.connection.needs() {
                Needs::Nothing => true,
                Needs::Replacement => self.rebuild(),
                Needs::Answer => self.ask(link).await,
            };
            if !done {
                tokio::time::sleep(PAUSE).await;
                self.attention.notify_one();
            }
        }
    }

    fn rebuild(&self) -> bool {
        counter!(PRODUCERS_REBUILT).increment(1);
        match connect(&self.config, &self.dependency, &self.attention) {
            Ok(link) => self.replace(link),
            Err(error) => {
                tracing::error!(%error, "could not rebuild the producer");
                return false;
            }
        }
        true
    }

    /// Whether a broker answered a question about the topic of orders.
    async fn ask(&self, link: Arc<Link>) -> bool {
        let topic = self.topic_name(Topic::Orders).to_owned();
        let asked = tokio::task::spawn_blocking(move || {
            let answer = link.producer.client().fetch_metadata(Some(&topic), ASK);
            answer.map(|_| link.connection.answered()).is_ok()
        });
        asked.await.unwrap_or(false)
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
    /// When records had none within `within`.
    pub(crate) async fn close(&self, within: Duration) -> anyhow::Result<()> {
        let link = self.link();
        let left = tokio::task::spawn_blocking(move || {
            let _ = link.producer.flush(within);
            link.producer.in_flight_count()
        });
        let left = left.await.context("the producer's last flush broke off")?;
        gauge!(UNDELIVERED).set(left);
        ensure!(left == 0, "{left} records were left without a delivery report");
        Ok(())
    }

    fn link(&self) -> Arc<Link> {
        Arc::clone(&self.link.read().unwrap_or_else(PoisonError::into_inner))
    }
}

fn connect(
    config: &ClientConfig,
    dependency: &Dependency,
    attention: &Arc<Notify>,
) -> KafkaResult<Link> {
    let connection = Arc::new(Connection::new(dependency.clone(), Arc::clone(attention)));
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
