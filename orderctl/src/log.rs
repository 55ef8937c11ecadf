//! Reads parts of the log, each to an end known beforehand. Joins no group, commits nothing.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use kafka_client::{KafkaSettings, TopicIdError, topic_ids, watermarks};
use rdkafka::Message;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::BorrowedMessage;
use rdkafka::{Offset, TopicPartitionList};

use crate::exit::Gap;

const ANSWER_WITHIN: Duration = Duration::from_secs(15);
/// A reader that hears nothing for this long has lost its brokers.
const SILENCE_MAX: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(100);

/// A part of a partition: from `start`, up to but without `end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) partition: i32,
    pub(crate) start: i64,
    pub(crate) end: i64,
}

/// Reads one topic at a time.
pub(crate) struct LogReader {
    consumer: BaseConsumer,
    /// Is told the end of the log also where a transaction is open: the other one is told how far
    /// it may read.
    ends: BaseConsumer,
    settings: KafkaSettings,
}

impl LogReader {
    /// A reader of the cluster that the environment names.
    pub(crate) fn from_env() -> anyhow::Result<Self> {
        Self::new(KafkaSettings::from_env()?)
    }

    pub(crate) fn new(settings: KafkaSettings) -> anyhow::Result<Self> {
        let mut config = settings.reader("orderctl");
        let consumer = config.create().context("could not set up Kafka")?;
        config.set("isolation.level", "read_uncommitted");
        let ends = config.create().context("could not set up Kafka")?;
        Ok(Self { consumer, ends, settings })
    }

    /// The topic's name on the brokers.
    pub(crate) fn name(&self, topic: &str) -> String {
        self.settings.prefixed(topic)
    }

    /// The broker's ids of these topics, by name on the brokers.
    pub(crate) fn topic_ids(&self, names: &[String]) -> anyhow::Result<HashMap<String, String>> {
        topic_ids(self.consumer.client(), names, ANSWER_WITHIN).map_err(|error| match error {
            TopicIdError::NoSuchTopic(name) => Gap(format!("there is no topic {name}")).into(),
            TopicIdError::Broker(_) => error.into(),
        })
    }

    /// What every partition of the topic holds now, in the order of their numbers.
    pub(crate) fn extents(&self, topic: &str) -> anyhow::Result<Vec<Span>> {
        let name = self.name(topic);
        let metadata = self.consumer.fetch_metadata(Some(&name), ANSWER_WITHIN);
        let metadata = metadata.with_context(|| {
            format!("Kafka at {} does not answer", self.settings.bootstrap_servers)
        })?;
        let found = metadata.topics().iter().find(|t| t.name() == name && t.error().is_none());
        let found = found.filter(|topic| !topic.partitions().is_empty());
        let found = found.ok_or_else(|| Gap(format!("there is no topic {name}")))?;
        let mut numbers: Vec<i32> = found.partitions().iter().map(|p| p.id()).collect();
        numbers.sort_unstable();
        let marks = watermarks(&self.ends, &name, &numbers, ANSWER_WITHIN);
        let marks = marks.with_context(|| format!("could not ask where {name} begins and ends"))?;
        let span = |(partition, (start, end))| Span { partition, start, end };
        Ok(numbers.into_iter().zip(marks).map(span).collect())
    }

    /// The first offset of each partition whose record is not older than `millis` since 1970; a
    /// partition without such a record is left out.
    pub(crate) fn offsets_at(
        &self,
        topic: &str,
        spans: &[Span],
        millis: i64,
    ) -> anyhow::Result<HashMap<i32, i64>> {
        let name = self.name(topic);
        let mut asked = TopicPartitionList::with_capacity(spans.len());
        for span in spans {
            asked.add_partition_offset(&name, span.partition, Offset::Offset(millis))?;
        }
        let answer = self.consumer.offsets_for_times(asked, ANSWER_WITHIN);
        let answer = answer.context("could not ask for the offsets of a time")?;
        let mut offsets = HashMap::new();
        for element in answer.elements() {
            let partition = element.partition();
            element
                .error()
                .with_context(|| format!("could not ask {name}:{partition} for a time"))?;
            if let Offset::Offset(offset) = element.offset() {
                offsets.insert(partition, offset);
            }
        }
        Ok(offsets)
    }

    /// Hands every record of the spans to `each`, in order per partition, until it breaks.
    pub(crate) fn read(
        &self,
        topic: &str,
        spans: &[Span],
        mut each: impl FnMut(&BorrowedMessage<'_>) -> anyhow::Result<ControlFlow<()>>,
    ) -> anyhow::Result<()> {
        let name = self.name(topic);
        let filled = spans.iter().filter(|span| span.start < span.end);
        let mut open: HashMap<i32, i64> = filled.clone().map(|s| (s.partition, s.end)).collect();
        let mut assigned = TopicPartitionList::with_capacity(open.len());
        for span in filled {
            assigned.add_partition_offset(&name, span.partition, Offset::Offset(span.start))?;
        }
        self.consumer.assign(&assigned)?;
        // What an earlier reading paused at its end stays paused, also where it is assigned anew.
        self.consumer.resume(&assigned)?;
        let mut heard = Instant::now();
        while !open.is_empty() {
            match self.consumer.poll(POLL) {
                None if heard.elapsed() > SILENCE_MAX => return self.explain_silence(&name, &open),
                None => {}
                Some(Ok(record)) => {
                    let Some(end) = open.get(&record.partition()).copied() else { continue };
                    if record.offset() < end && each(&record)?.is_break() {
                        break;
                    }
                    // Only now: whoever takes the records may have been blocked for long.
                    heard = Instant::now();
                    if record.offset() + 1 >= end {
                        self.close(&name, record.partition(), &mut open)?;
                    }
                }
                // What stands between the last record and the end is no record: a marker of a
                // transaction, or what compaction took away. Unless a transaction is open there:
                // then this is no end, and the next one comes when it is over.
                Some(Err(KafkaError::PartitionEOF(partition))) => {
                    let end = open.get(&partition).copied().unwrap_or_default();
                    if self.readable(&name, partition)? >= end {
                        self.close(&name, partition, &mut open)?;
                    }
                }
                Some(Err(error)) => sort(error, &name)?,
            }
        }
        Ok(self.consumer.unassign()?)
    }

    /// How far it may be read: up to the first record of an open transaction.
    fn readable(&self, name: &str, partition: i32) -> anyhow::Result<i64> {
        let marks = self.consumer.fetch_watermarks(name, partition, ANSWER_WITHIN);
        Ok(marks.with_context(|| format!("could not ask where {name}:{partition} ends"))?.1)
    }

    fn explain_silence(&self, name: &str, open: &HashMap<i32, i64>) -> anyhow::Result<()> {
        for (partition, end) in open {
            let readable = self.readable(name, *partition)?;
            if readable < *end {
                return Err(Gap(format!(
                    "{name}:{partition} can be read up to {readable} and not to its end {end}: \
                     somebody's transaction is open there"
                ))
                .into());
            }
        }
        bail!("{name} sends nothing any more")
    }

    fn close(
        &self,
        name: &str,
        partition: i32,
        open: &mut HashMap<i32, i64>,
    ) -> anyhow::Result<()> {
        open.remove(&partition);
        let mut closed = TopicPartitionList::new();
        closed.add_partition(name, partition);
        self.consumer.pause(&closed).context("could not stop reading a partition")
    }
}

/// A lost connection mends itself, or the silence ends the reading.
fn sort(error: KafkaError, name: &str) -> anyhow::Result<()> {
    match error.rdkafka_error_code() {
        Some(
            RDKafkaErrorCode::BrokerTransportFailure
            | RDKafkaErrorCode::AllBrokersDown
            | RDKafkaErrorCode::OperationTimedOut
            | RDKafkaErrorCode::Resolve,
        ) => Ok(()),
        Some(RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange) => {
            Err(Gap(format!("records of {name} vanished while they were read")).into())
        }
        _ => Err(anyhow::Error::new(error).context(format!("could not read {name}"))),
    }
}
