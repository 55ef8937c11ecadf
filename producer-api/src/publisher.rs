//! Hands events to Kafka and waits for their delivery reports. Knows neither HTTP nor orders.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ::metrics::{counter, gauge};
use anyhow::ensure;
use chassis::health::Dependency;
use events_schema::wire::{EncodeError, Encoder};
use events_schema::{Event, EventType, RecordPosition, Topic, envelope};
use kafka_client::KafkaSettings;
use krafka::{KrafkaError, Record};
use tokio::sync::{Semaphore, mpsc, oneshot};

use crate::body::Taken;
use crate::cluster::Cluster;
use crate::connection::Connection;
use crate::gather::{Report, UnderWay, Waiting};
use crate::metrics::{PRODUCERS_REBUILT, Publishing, UNDELIVERED};
use crate::once_a_second::OnceASecond;
use crate::publish_thread::PublishThread;
use crate::settings::PublishSettings;

/// Who wrote a record, in its headers.
const SOURCE: &str = "/producer-api";
/// Bytes that most records' values fit in.
const VALUE: usize = 512;

/// Why there is no position, sorted by what the client can say about its request.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PublishError {
    /// Too many are on their way; this one was not sent.
    #[error("too many records are on their way")]
    QueueFull,
    /// No broker takes it; this one was not sent.
    #[error("no broker takes the record")]
    Unavailable,
    /// It was sent, and nobody knows whether it arrived. So ends every report that says no but for those
    /// of a record that never left: a broker may have stored what it then did not confirm.
    #[error("the record has no delivery report")]
    Unknown,
    /// A defect of ours.
    #[error("could not encode the record")]
    Defect(#[from] EncodeError),
}

/// The process's one way into Kafka.
pub(crate) struct Publisher {
    waiting: mpsc::UnboundedSender<Waiting>,
    connection: Arc<Connection>,
    /// One permit per record on its way.
    permits: Arc<Semaphore>,
    in_flight_max: u32,
    topics: [String; Topic::ALL.len()],
    ack_timeout: Duration,
    metrics: Publishing,
    warnings: OnceASecond,
}

impl Publisher {
    /// A publisher that connects in the background, on a thread of its own.
    ///
    /// # Errors
    /// When a setting is refused, or there is no thread to be had.
    pub(crate) fn new(
        kafka: &KafkaSettings,
        settings: &PublishSettings,
        dependency: Dependency,
    ) -> anyhow::Result<Self> {
        let PublishSettings { in_flight_max, ack_timeout } = *settings;
        let in_flight_max = u32::try_from(in_flight_max)?;
        let cluster = Cluster::new(kafka, settings)?;
        let connection = Arc::new(Connection::new(dependency));
        let permits = Arc::new(Semaphore::new(in_flight_max.try_into()?));
        let topics = Topic::ALL.map(|topic| kafka.prefixed(topic.name()));
        let thread = PublishThread {
            cluster,
            connection: Arc::clone(&connection),
            permits: Arc::clone(&permits),
            rebuilt: counter!(PRODUCERS_REBUILT),
            topics: topics.to_vec(),
        };
        Ok(Self {
            waiting: thread.start()?,
            connection,
            permits,
            in_flight_max,
            topics,
            ack_timeout,
            metrics: Publishing::new(),
            warnings: OnceASecond::default(),
        })
    }

    /// Publishes the event and waits until it is replicated. The event is dropped before the wait,
    /// and what it was made of gives its room to the record, so that those on their way take no more
    /// memory than they may.
    ///
    /// # Errors
    /// At once when it cannot be sent; [`PublishError::Unknown`] when it was sent and the report
    /// does not come.
    pub(crate) async fn publish(
        &self,
        encoder: &Encoder,
        event: Event,
        traceparent: &str,
        room: Taken,
    ) -> Result<RecordPosition, PublishError> {
        let outcome = self.deliver(encoder, event, traceparent, room).await;
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
        room: Taken,
    ) -> Result<RecordPosition, PublishError> {
        let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() else {
            return Err(PublishError::QueueFull);
        };
        let under_way = UnderWay::new(permit, room, &self.metrics.in_flight);
        if !self.connection.is_up() {
            return Err(PublishError::Unavailable);
        }
        let topic = event.event_type().topic();
        let record = self.record(encoder, &event, traceparent)?;
        drop(event);
        let (report, reported) = oneshot::channel();
        let handed_over = self.waiting.send(Waiting { record, report, under_way });
        handed_over.map_err(|_| PublishError::Unavailable)?;
        self.confirmed(reported, topic).await
    }

    async fn confirmed(
        &self,
        reported: oneshot::Receiver<Report>,
        topic: Topic,
    ) -> Result<RecordPosition, PublishError> {
        let handed_over = Instant::now();
        let report = reported.await;
        self.metrics.seconds.record(handed_over.elapsed());
        match report {
            Ok(Ok(delivery)) => {
                self.connection.delivered();
                // A broker may know that it has a batch already and not where: then there is no offset
                // to tell. Whoever asks again under the same key gets one.
                if delivery.offset < 0 {
                    return Err(PublishError::Unknown);
                }
                Ok(RecordPosition { topic, partition: delivery.partition, offset: delivery.offset })
            }
            Ok(Err(error)) => Err(self.undelivered(&error)),
            // The thread ended with the record in its hands.
            Err(_) => Err(PublishError::Unknown),
        }
    }

    fn undelivered(&self, error: &KrafkaError) -> PublishError {
        if let Some(records) = self.warnings.due() {
            tracing::warn!(%error, records, "records were not delivered");
        }
        if let KrafkaError::DeliveryTimeout { .. } = error {
            self.connection.timed_out(self.ack_timeout);
        }
        match error {
            KrafkaError::DeliveryTimeout { possibly_written: false, .. }
            | KrafkaError::Timeout { .. }
            | KrafkaError::UnknownTopic { .. }
            | KrafkaError::Config { .. } => PublishError::Unavailable,
            _ => PublishError::Unknown,
        }
    }

    fn record(
        &self,
        encoder: &Encoder,
        event: &Event,
        traceparent: &str,
    ) -> Result<Record, EncodeError> {
        let topic = self.topic_name(event.event_type().topic());
        let key = event.key().to_owned();
        let record = match event.event_type() {
            EventType::TOMBSTONE => Record::tombstone(topic, key),
            _ => Record::new(topic, encoder.encode(event, Vec::with_capacity(VALUE))?).key(key),
        };
        let headers = envelope::headers(event, SOURCE, Some(traceparent));
        Ok(headers.into_iter().fold(record, |record, (key, value)| match value {
            Cow::Borrowed(value) => record.header(key, value.to_owned()),
            Cow::Owned(value) => record.header(key, value),
        }))
    }

    fn topic_name(&self, topic: Topic) -> &str {
        let [orders, products, stock] = &self.topics;
        match topic {
            Topic::Orders => orders,
            Topic::Products => products,
            Topic::Stock => stock,
        }
    }

    /// Waits until nothing can be published any more: the thread for it has ended, by a defect of ours.
    pub(crate) async fn ended(&self) {
        self.waiting.closed().await;
    }

    /// Waits until every record has its delivery report: those too whose client went away.
    ///
    /// # Errors
    /// When records had none within `within`.
    pub(crate) async fn close(&self, within: Duration) -> anyhow::Result<()> {
        let all = self.permits.acquire_many(self.in_flight_max);
        let _ = tokio::time::timeout(within, all).await;
        let left = self.in_flight_max.saturating_sub(self.permits.available_permits().try_into()?);
        gauge!(UNDELIVERED).set(left);
        ensure!(left == 0, "{left} records were left without a delivery report");
        Ok(())
    }
}
