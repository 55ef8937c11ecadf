//! Reads a topic without a group: it is told where to begin, and commits nothing. Where to stop, and
//! what a record means, its caller knows.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rdkafka::client::Client;
use rdkafka::consumer::{BaseConsumer, Consumer, DefaultConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use crate::fetched::FetchedRecord;
use crate::fetching::{FetchQueue, FetchedTopic};
use crate::outlook::{Outlook, outlook};
use crate::watermarks::watermarks;

/// A part of a partition: from `start`, up to but without `end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Of which partition.
    pub partition: i32,
    /// Its first offset.
    pub start: i64,
    /// The one behind its last.
    pub end: i64,
}

/// Why the log cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The brokers do not have the topic.
    #[error("there is no topic {0}")]
    NoSuchTopic(String),
    /// Retention took away what was to be read next.
    #[error("records vanished while they were read")]
    Vanished,
    /// What the client does not get over by itself.
    #[error(transparent)]
    Kafka(#[from] KafkaError),
}

/// What came next.
pub enum Step<'a> {
    /// A record.
    Record(FetchedRecord<'a>),
    /// Everything of this partition was fetched, as far as it went then. What stands between the last
    /// record and the end is no record: the marker of a transaction, or what was aborted.
    AtEnd(i32),
    /// Nothing in this time, or something that the client gets over by itself.
    Nothing,
}

/// A client that reads one topic at a time.
pub struct LogReader {
    // In the order in which they must be dropped.
    /// What is being read.
    topic: Mutex<Option<FetchedTopic>>,
    queue: FetchQueue,
    consumer: BaseConsumer,
}

/// Most records of a batch, and about as many bytes: what whoever passes batches on holds of each.
const BATCH: (usize, usize) = (1024, 512 << 10);

impl LogReader {
    /// A reader with the options of [`KafkaSettings::reader`](crate::KafkaSettings::reader).
    ///
    /// # Errors
    /// When librdkafka refuses an option.
    pub fn new(config: &ClientConfig) -> KafkaResult<Self> {
        let mut config = config.clone();
        // Partitions that are fetched by name need none, and a client of a group looks only every 100 ms
        // whether it is closed.
        config.remove("group.id");
        let consumer: BaseConsumer = config.create()?;
        Ok(Self { topic: Mutex::default(), queue: FetchQueue::new(consumer.client())?, consumer })
    }

    /// The client itself, for questions to the brokers.
    pub fn client(&self) -> &Client<DefaultConsumerContext> {
        self.consumer.client()
    }

    /// What every partition of the topic holds now for this reader, in the order of their numbers.
    ///
    /// # Errors
    /// When there is no such topic, or the brokers do not answer in time.
    pub fn extents(&self, topic: &str, within: Duration) -> Result<Vec<Span>, LogError> {
        let metadata = self.consumer.fetch_metadata(Some(topic), within)?;
        let found = metadata.topics().iter().find(|t| t.name() == topic && t.error().is_none());
        let partitions = found.map(|topic| topic.partitions()).unwrap_or_default();
        if partitions.is_empty() {
            return Err(LogError::NoSuchTopic(topic.to_owned()));
        }
        let mut numbers: Vec<i32> = partitions.iter().map(|partition| partition.id()).collect();
        numbers.sort_unstable();
        Ok(self.extents_of(topic, &numbers, within)?)
    }

    /// What these partitions hold now for this reader.
    ///
    /// # Errors
    /// When the brokers do not answer in time.
    pub fn extents_of(
        &self,
        topic: &str,
        partitions: &[i32],
        within: Duration,
    ) -> KafkaResult<Vec<Span>> {
        let marks = watermarks(&self.consumer, topic, partitions, within)?;
        let span =
            |(partition, (start, end)): (&i32, _)| Span { partition: *partition, start, end };
        Ok(partitions.iter().zip(marks).map(span).collect())
    }

    /// The first offset of each partition whose record is not older than `millis` since 1970; a
    /// partition without such a record is left out.
    ///
    /// # Errors
    /// When the brokers do not answer in time.
    pub fn offsets_at(
        &self,
        topic: &str,
        partitions: impl IntoIterator<Item = i32>,
        millis: i64,
        within: Duration,
    ) -> KafkaResult<HashMap<i32, i64>> {
        let mut asked = TopicPartitionList::new();
        for partition in partitions {
            asked.add_partition_offset(topic, partition, Offset::Offset(millis))?;
        }
        let mut offsets = HashMap::new();
        for element in self.consumer.offsets_for_times(asked, within)?.elements() {
            element.error()?;
            if let Offset::Offset(offset) = element.offset() {
                offsets.insert(element.partition(), offset);
            }
        }
        Ok(offsets)
    }

    /// Begins at the start of each span; its end is for the caller to heed.
    ///
    /// # Errors
    /// When the client refuses.
    pub fn begin(&self, topic: &str, spans: &[Span]) -> KafkaResult<()> {
        // What was read before ends first: the client knows a topic once.
        self.end();
        let mut begun = FetchedTopic::new(self.consumer.client(), topic)?;
        for span in spans {
            begun.start(span.partition, span.start, &self.queue)?;
        }
        *self.topic() = Some(begun);
        Ok(())
    }

    /// What comes next, within `wait`.
    ///
    /// # Errors
    /// What the client does not get over by itself.
    pub fn next(&self, wait: Duration) -> Result<Step<'_>, LogError> {
        self.take(wait, (1, 1)).pop().unwrap_or(Ok(Step::Nothing))
    }

    /// What is there, in order, or comes first within `wait`; empty where nothing does. An error is what
    /// the client does not get over by itself.
    pub fn next_batch(&self, wait: Duration) -> Vec<Result<Step<'_>, LogError>> {
        self.take(wait, BATCH)
    }

    fn take(&self, wait: Duration, most: (usize, usize)) -> Vec<Result<Step<'_>, LogError>> {
        // What is no matter of one partition, such as a login that is refused, comes by a way of its own.
        if let Some(Err(error)) = self.consumer.poll(Duration::ZERO)
            && let Err(error) = step(Err(error))
        {
            return vec![Err(error)];
        }
        let mut steps = Vec::with_capacity(most.0);
        self.queue.take(wait, most, |came| steps.push(step(came)));
        steps
    }

    /// Reads no more of this partition.
    pub fn close(&self, partition: i32) {
        if let Some(topic) = self.topic().as_mut() {
            topic.stop(partition);
        }
    }

    /// Reads no more at all, until it begins again.
    pub fn end(&self) {
        *self.topic() = None;
    }

    fn topic(&self) -> MutexGuard<'_, Option<FetchedTopic>> {
        self.topic.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn step(came: KafkaResult<FetchedRecord<'_>>) -> Result<Step<'_>, LogError> {
    match came {
        Ok(record) => Ok(Step::Record(record)),
        Err(KafkaError::PartitionEOF(partition)) => Ok(Step::AtEnd(partition)),
        Err(error) => match outlook(&error) {
            Outlook::Recovers => {
                tracing::debug!(%error, "a reader of the log");
                Ok(Step::Nothing)
            }
            Outlook::Lost => Err(LogError::Vanished),
            Outlook::Ends => Err(error.into()),
        },
    }
}
