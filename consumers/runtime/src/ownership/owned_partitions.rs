//! The partitions that a worker holds, and which records may go into its next transaction. Pure.

use std::collections::BTreeMap;

use events_schema::Topic;

use crate::projection::Source;
use crate::record::Record;

/// A partition of a topic.
pub(crate) type TopicPartition = (Topic, i32);

impl Source {
    pub(crate) fn topic_partition(self) -> TopicPartition {
        (self.topic, self.partition.0)
    }
}

/// What a worker knows of a partition that it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OwnedPartition {
    /// Given out when the partition was taken; a later owner has a higher one.
    pub epoch: i64,
    /// The next offset to apply.
    pub next: i64,
}

/// How far one transaction moves one partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PositionMove {
    pub key: TopicPartition,
    pub epoch: i64,
    pub from: i64,
    pub to: i64,
}

/// The partitions of a worker.
#[derive(Debug, Default)]
pub(crate) struct OwnedPartitions(BTreeMap<TopicPartition, OwnedPartition>);

impl OwnedPartitions {
    pub(crate) fn take(&mut self, key: TopicPartition, owned: OwnedPartition) {
        self.0.insert(key, owned);
    }

    pub(crate) fn give_up(&mut self, key: TopicPartition) {
        self.0.remove(&key);
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = TopicPartition> {
        self.0.keys().copied()
    }

    pub(crate) fn get(&self, key: TopicPartition) -> Option<OwnedPartition> {
        self.0.get(&key).copied()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a record belongs to a partition as it is held now and was not applied before.
    pub(crate) fn admits(&self, source: Source, epoch: i64) -> bool {
        let owned = self.0.get(&source.topic_partition());
        owned.is_some_and(|owned| owned.epoch == epoch && source.offset.0 >= owned.next)
    }

    /// How far these records, all admitted and in order, move their partitions. Offsets may have holes
    /// (compaction, transaction markers), so a partition moves to one behind the last record.
    pub(crate) fn moves(&self, records: &[Record]) -> Vec<PositionMove> {
        let mut ends = BTreeMap::new();
        for record in records {
            ends.insert(record.source.topic_partition(), record.source.offset.0.saturating_add(1));
        }
        let moved = |(key, to): (TopicPartition, i64)| {
            self.0.get(&key).map(|owned| PositionMove {
                key,
                epoch: owned.epoch,
                from: owned.next,
                to,
            })
        };
        ends.into_iter().filter_map(moved).collect()
    }

    /// Moves the partitions after the transaction was committed.
    pub(crate) fn advance(&mut self, moves: &[PositionMove]) {
        for moved in moves {
            self.correct(moved.key, moved.to);
        }
    }

    /// Sets a partition to where the database says it is.
    pub(crate) fn correct(&mut self, key: TopicPartition, next: i64) {
        if let Some(owned) = self.0.get_mut(&key) {
            owned.next = next;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::projection::{Offset, Partition};

    fn at(offset: i64) -> Source {
        Source { topic: Topic::Orders, partition: Partition(3), offset: Offset(offset) }
    }

    fn owned() -> OwnedPartitions {
        let mut owned = OwnedPartitions::default();
        owned.take((Topic::Orders, 3), OwnedPartition { epoch: 7, next: 10 });
        owned
    }

    #[test]
    fn a_record_of_an_earlier_epoch_is_not_admitted() {
        assert!(owned().admits(at(10), 7));
        assert!(!owned().admits(at(10), 6));
    }

    #[test]
    fn a_record_that_was_applied_is_not_admitted_again() {
        let mut owned = owned();
        assert!(!owned.admits(at(9), 7));
        owned.correct((Topic::Orders, 3), 11);
        assert!(!owned.admits(at(10), 7));
        assert!(owned.admits(at(11), 7));
    }

    #[test]
    fn a_partition_that_was_given_up_admits_nothing() {
        let mut owned = owned();
        owned.give_up((Topic::Orders, 3));
        assert!(!owned.admits(at(10), 7));
    }
}
