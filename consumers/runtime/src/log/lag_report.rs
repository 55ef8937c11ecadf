//! How far each partition is, once a second: for Kafka's tools, for our own metrics, and for whoever
//! looks why one stands still. Stops none.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};

use crate::log::group::GroupContext;
use crate::log::hole::Suspects;
use crate::log::messages::{Control, Progress};
use crate::log::starting::Starting;
use crate::log::unreadable::{Fetched, Unreadable};
use crate::metrics::Metrics;
use crate::partition::{Offset, TopicPartition};
use crate::topic_names::TopicNames;

/// How often positions are told to Kafka, for the tools that show lag.
const REPORT: Duration = Duration::from_secs(1);

pub(crate) struct LagReport {
    names: TopicNames,
    metrics: Arc<Metrics>,
    progress: Progress,
    /// How far the partitions are, as last heard.
    applied: HashMap<TopicPartition, Offset>,
    unreadable: Unreadable,
    holes: Suspects,
    reported_at: Instant,
}

impl LagReport {
    pub(crate) fn new(names: TopicNames, metrics: Arc<Metrics>) -> Self {
        Self {
            names,
            metrics,
            progress: Progress::default(),
            applied: HashMap::new(),
            unreadable: Unreadable::default(),
            holes: Suspects::default(),
            reported_at: Instant::now(),
        }
    }

    /// Where the worker says how far it is.
    pub(crate) fn progress(&self) -> Progress {
        Arc::clone(&self.progress)
    }

    pub(crate) fn started(&mut self, key: TopicPartition, next: Offset) {
        self.applied.insert(key, next);
    }

    pub(crate) fn released(&mut self, keys: &[TopicPartition]) {
        for key in keys {
            self.applied.remove(key);
            self.metrics.lag(self.names.name(key.topic), key.number(), 0);
        }
    }

    /// The client cannot read a batch, of some partition.
    pub(crate) fn cannot_read(&mut self) {
        self.unreadable.complain(Instant::now());
    }

    pub(crate) fn is_due(&mut self) -> bool {
        let is_due = self.reported_at.elapsed() >= REPORT;
        if is_due {
            self.reported_at = Instant::now();
        }
        is_due
    }

    /// Tells Kafka's tools how far the partitions are that deliver.
    pub(crate) fn commit(&mut self, consumer: &BaseConsumer<GroupContext>, starting: &Starting) {
        let moved =
            std::mem::take(&mut *self.progress.lock().unwrap_or_else(PoisonError::into_inner));
        let mut list = TopicPartitionList::new();
        for (key, next) in moved.into_iter().filter(|(key, _)| starting.epoch(*key).is_some()) {
            let (topic, next_offset) = (self.names.name(key.topic), offset(next));
            let _ = list.add_partition_offset(topic, key.number(), next_offset);
            self.applied.insert(key, next);
        }
        if list.count() > 0 {
            // Only tools read it; the next one follows in a second.
            let _ = consumer.commit(&list, CommitMode::Async);
        }
    }

    /// Shows the lag, and says what to ask about partitions that stand still; `is_idle` where all that
    /// was fetched is taken: else standing still says nothing.
    pub(crate) fn look(
        &mut self,
        consumer: &BaseConsumer<GroupContext>,
        starting: &Starting,
        is_idle: bool,
    ) -> Vec<Control> {
        let (mut fetched_of, mut standing) = (Vec::new(), Vec::new());
        for ((topic, partition), (end, fetched)) in consumer.context().take_ends() {
            let key = self.names.topic(&topic).map(|topic| TopicPartition::new(topic, partition));
            let Some(key) = key else { continue };
            if let Some(next) = self.applied.get(&key) {
                // The end is as old as the last fetch; the position may be beyond it.
                self.metrics.lag(&topic, partition, end.0.saturating_sub(next.0).max(0));
                standing.push((key, *next, fetched));
            }
            if starting.is_assigned(key) {
                fetched_of.push((key, fetched));
            }
        }
        // Where nothing comes any more, though the log goes on, the rest may be no record.
        let holes = self.holes.of(&standing);
        if !is_idle {
            return vec![];
        }
        let mut controls: Vec<Control> =
            holes.into_iter().map(|(key, from)| Control::Hole(key, from)).collect();
        controls.extend(self.stuck(&fetched_of));
        controls
    }

    /// What the client cannot read keeps these.
    fn stuck(&mut self, fetched: &[(TopicPartition, Fetched)]) -> Option<Control> {
        if fetched.is_empty() {
            return None;
        }
        let stuck = self.unreadable.stuck(self.reported_at, fetched);
        (!stuck.is_empty()).then_some(Control::Unreadable(stuck))
    }
}

/// As Kafka's client writes it.
pub(crate) fn offset(next: Offset) -> rdkafka::Offset {
    rdkafka::Offset::Offset(next.0)
}
