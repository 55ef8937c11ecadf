//! The partitions that a worker holds, and which records may go into its next transaction. Pure.

use std::collections::BTreeMap;

use crate::partition::{Epoch, Offset, Source, Start, TopicPartition};
use crate::record::Record;

/// How far one transaction moves one partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PositionMove {
    pub key: TopicPartition,
    pub epoch: Epoch,
    pub from: Offset,
    pub to: Offset,
}

/// The partitions of a worker: the epoch that it owns each with, and the next offset to apply.
#[derive(Debug, Default)]
pub(crate) struct OwnedPartitions(BTreeMap<TopicPartition, Start>);

impl OwnedPartitions {
    pub(crate) fn take(&mut self, key: TopicPartition, start: Start) {
        self.0.insert(key, start);
    }

    pub(crate) fn give_up(&mut self, key: TopicPartition) {
        self.0.remove(&key);
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = TopicPartition> {
        self.0.keys().copied()
    }

    pub(crate) fn get(&self, key: TopicPartition) -> Option<Start> {
        self.0.get(&key).copied()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a record belongs to a partition as it is held now and was not applied before.
    pub(crate) fn admits(&self, source: Source, epoch: Epoch) -> bool {
        let owned = self.0.get(&source.topic_partition());
        owned.is_some_and(|owned| owned.epoch == epoch && source.offset >= owned.next)
    }

    /// How far these records, all admitted and in order, move their partitions. Offsets may have holes
    /// (compaction, transaction markers), so a partition moves to one behind the last record.
    pub(crate) fn moves(&self, records: &[Record]) -> Vec<PositionMove> {
        let mut ends = BTreeMap::new();
        for record in records {
            ends.insert(record.source.topic_partition(), record.source.offset.next());
        }
        let moved = |(key, to): (TopicPartition, Offset)| {
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
    pub(crate) fn correct(&mut self, key: TopicPartition, next: Offset) {
        if let Some(owned) = self.0.get_mut(&key) {
            owned.next = next;
        }
    }
}

#[cfg(test)]
mod tests {
    use events_schema::Topic;

    use super::*;
    use crate::partition::Partition;

    const KEY: TopicPartition = TopicPartition::new(Topic::Orders, 3);

    fn at(offset: i64) -> Source {
        Source { topic: Topic::Orders, partition: Partition(3), offset: Offset(offset) }
    }

    fn owned() -> OwnedPartitions {
        let mut owned = OwnedPartitions::default();
        owned.take(KEY, Start { epoch: Epoch(7), next: Offset(10) });
        owned
    }

    #[test]
    fn a_record_of_an_earlier_epoch_is_not_admitted() {
        assert!(owned().admits(at(10), Epoch(7)));
        assert!(!owned().admits(at(10), Epoch(6)));
    }

    #[test]
    fn a_record_that_was_applied_is_not_admitted_again() {
        let mut owned = owned();
        assert!(!owned.admits(at(9), Epoch(7)));
        owned.correct(KEY, Offset(11));
        assert!(!owned.admits(at(10), Epoch(7)));
        assert!(owned.admits(at(11), Epoch(7)));
    }

    #[test]
    fn a_partition_that_was_given_up_admits_nothing() {
        let mut owned = owned();
        owned.give_up(KEY);
        assert!(!owned.admits(at(10), Epoch(7)));
    }
}
