//! Reads parts of the log, each to an end known beforehand. Joins no group, commits nothing.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use kafka_client::{FetchedRecord, KafkaSettings, LogError, Step, TopicIdError, topic_ids};

use crate::exit::Gap;

pub(crate) use kafka_client::Span;

const ANSWER_WITHIN: Duration = Duration::from_secs(15);
/// A reader that hears nothing for this long has lost its brokers.
const SILENCE_MAX: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(100);

/// Where each partition ends that is not read to its end yet.
type Open = HashMap<i32, i64>;

/// Reads one topic at a time.
pub(crate) struct LogReader {
    reader: kafka_client::LogReader,
    /// Is told the end of the log also where a transaction is open: the other one is told how far
    /// it may read.
    ends: kafka_client::LogReader,
    settings: KafkaSettings,
}

impl LogReader {
    /// A reader of the cluster that the environment names.
    pub(crate) fn from_env() -> anyhow::Result<Self> {
        Self::new(KafkaSettings::from_env()?)
    }

    pub(crate) fn new(settings: KafkaSettings) -> anyhow::Result<Self> {
        let mut config = settings.reader("orderctl");
        let reader = kafka_client::LogReader::new(&config).context("could not set up Kafka")?;
        config.set("isolation.level", "read_uncommitted");
        let ends = kafka_client::LogReader::new(&config).context("could not set up Kafka")?;
        Ok(Self { reader, ends, settings })
    }

    /// The topic's name on the brokers.
    pub(crate) fn name(&self, topic: &str) -> String {
        self.settings.prefixed(topic)
    }

    /// The broker's ids of these topics, by name on the brokers.
    pub(crate) fn topic_ids(&self, names: &[String]) -> anyhow::Result<HashMap<String, String>> {
        topic_ids(self.reader.client(), names, ANSWER_WITHIN).map_err(|error| match error {
            TopicIdError::NoSuchTopic(name) => Gap(format!("there is no topic {name}")).into(),
            TopicIdError::Broker(_) => error.into(),
        })
    }

    /// What every partition of the topic holds now, in the order of their numbers.
    pub(crate) fn extents(&self, topic: &str) -> anyhow::Result<Vec<Span>> {
        let name = self.name(topic);
        self.ends.extents(&name, ANSWER_WITHIN).map_err(|error| match error {
            LogError::Kafka(_) => {
                let servers = &self.settings.bootstrap_servers;
                anyhow::Error::new(error).context(format!("Kafka at {servers} does not answer"))
            }
            error => Gap(error.to_string()).into(),
        })
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
        let partitions = spans.iter().map(|span| span.partition);
        let offsets = self.reader.offsets_at(&name, partitions, millis, ANSWER_WITHIN);
        offsets.with_context(|| format!("could not ask {name} for the offsets of a time"))
    }

    /// Hands every record of the spans to `each`, in order per partition, until it breaks.
    pub(crate) fn read(
        &self,
        topic: &str,
        spans: &[Span],
        mut each: impl FnMut(&FetchedRecord<'_>) -> anyhow::Result<ControlFlow<()>>,
    ) -> anyhow::Result<()> {
        self.read_batches(topic, spans, |batch| {
            for record in batch {
                if each(&record)?.is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
            Ok(ControlFlow::Continue(()))
        })
    }

    /// As [`Self::read`], as many at a time as have come: they may be read on another thread.
    pub(crate) fn read_batches<'a>(
        &'a self,
        topic: &str,
        spans: &[Span],
        mut each: impl FnMut(Vec<FetchedRecord<'a>>) -> anyhow::Result<ControlFlow<()>>,
    ) -> anyhow::Result<()> {
        let name = self.name(topic);
        let filled = spans.iter().filter(|span| span.start < span.end);
        let filled: Vec<Span> = filled.copied().collect();
        let mut open: Open = filled.iter().map(|span| (span.partition, span.end)).collect();
        self.reader.begin(&name, &filled)?;
        let mut heard = Instant::now();
        while !open.is_empty() {
            let came = Came::of(self.reader.next_batch(POLL), &open);
            if !came.records.is_empty() {
                if each(came.records)?.is_break() {
                    break;
                }
                // Only now: whoever takes the records may have been blocked for long.
                heard = Instant::now();
            } else if came.at_end.is_empty() && heard.elapsed() > SILENCE_MAX {
                return self.explain_silence(&name, &open);
            }
            for partition in came.read {
                self.close(partition, &mut open);
            }
            // Where a transaction is open this is no end, and the next one comes when it is over.
            for partition in came.at_end {
                let end = open.get(&partition).copied();
                if let Some(end) = end
                    && self.readable(&name, partition)? >= end
                {
                    self.close(partition, &mut open);
                }
            }
            came.failed.map_or(Ok(()), |error| Err(told(error, &name)))?;
        }
        self.reader.end();
        Ok(())
    }

    /// How far it may be read: up to the first record of an open transaction.
    fn readable(&self, name: &str, partition: i32) -> anyhow::Result<i64> {
        let extents = self.reader.extents_of(name, &[partition], ANSWER_WITHIN);
        let extents =
            extents.with_context(|| format!("could not ask where {name}:{partition} ends"))?;
        Ok(extents.first().map_or(0, |extent| extent.end))
    }

    fn explain_silence(&self, name: &str, open: &Open) -> anyhow::Result<()> {
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

    fn close(&self, partition: i32, open: &mut Open) {
        open.remove(&partition);
        self.reader.close(partition);
    }
}

/// What came in one batch, of the partitions that are not read to their ends yet.
#[derive(Default)]
struct Came<'a> {
    records: Vec<FetchedRecord<'a>>,
    /// Of which partitions the last record is among them.
    read: Vec<i32>,
    /// Of which everything was fetched, as far as they went then.
    at_end: Vec<i32>,
    /// What came behind all that.
    failed: Option<LogError>,
}

impl<'a> Came<'a> {
    fn of(batch: Vec<Result<Step<'a>, LogError>>, open: &Open) -> Self {
        let mut came = Self::default();
        came.records.reserve(batch.len());
        for step in batch {
            match step {
                Ok(Step::Record(record)) => came.take(record, open),
                Ok(Step::AtEnd(partition)) => came.at_end.push(partition),
                Ok(Step::Nothing) => {}
                Err(error) => {
                    came.failed = Some(error);
                    break;
                }
            }
        }
        came
    }

    fn take(&mut self, record: FetchedRecord<'a>, open: &Open) {
        let (partition, offset) = (record.partition(), record.offset());
        let Some(end) = open.get(&partition).copied() else { return };
        if offset < end {
            self.records.push(record);
        }
        if offset + 1 >= end && !self.read.contains(&partition) {
            self.read.push(partition);
        }
    }
}

fn told(error: LogError, name: &str) -> anyhow::Error {
    match error {
        LogError::Vanished => {
            Gap(format!("records of {name} vanished while they were read")).into()
        }
        error => anyhow::Error::new(error).context(format!("could not read {name}")),
    }
}
