//! The partitions that a worker holds, and which records may go into its next transaction. Pure.

use std::collections::BTreeMap;

use events_schema::Topic;

use crate::projection::Source;
use crate::record::Record;

/// A partition of a topic.
pub(crate) type LaneKey = (Topic, i32);

impl Source {
    pub(crate) fn lane(self) -> LaneKey {
        (self.topic, self.partition.0)
    }
}

/// What a worker knows of a partition that it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lane {
    /// Given out when the lane was taken; a later owner has a higher one.
    pub epoch: i64,
    /// The next offset to apply.
    pub next: i64,
}

/// How far one transaction moves one lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub key: LaneKey,
    pub epoch: i64,
    pub from: i64,
    pub to: i64,
}

/// The lanes of a worker.
#[derive(Debug, Default)]
pub(crate) struct Lanes(BTreeMap<LaneKey, Lane>);

impl Lanes {
    pub(crate) fn take(&mut self, key: LaneKey, lane: Lane) {
        self.0.insert(key, lane);
    }

    pub(crate) fn give_up(&mut self, key: LaneKey) {
        self.0.remove(&key);
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = LaneKey> {
        self.0.keys().copied()
    }

    pub(crate) fn get(&self, key: LaneKey) -> Option<Lane> {
        self.0.get(&key).copied()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a record belongs to a lane as it is held now and was not applied before.
    pub(crate) fn admits(&self, source: Source, epoch: i64) -> bool {
        let lane = self.0.get(&source.lane());
        lane.is_some_and(|lane| lane.epoch == epoch && source.offset.0 >= lane.next)
    }

    /// How far these records, all admitted and in order, move their lanes. Offsets may have holes
    /// (compaction, transaction markers), so a lane moves to one behind the last record.
    pub(crate) fn spans(&self, records: &[Record]) -> Vec<Span> {
        let mut ends = BTreeMap::new();
        for record in records {
            ends.insert(record.source.lane(), record.source.offset.0.saturating_add(1));
        }
        let span = |(key, to): (LaneKey, i64)| {
            self.0.get(&key).map(|lane| Span { key, epoch: lane.epoch, from: lane.next, to })
        };
        ends.into_iter().filter_map(span).collect()
    }

    /// Moves the lanes after the transaction was committed.
    pub(crate) fn advance(&mut self, spans: &[Span]) {
        for span in spans {
            self.correct(span.key, span.to);
        }
    }

    /// Sets a lane to where the database says it is.
    pub(crate) fn correct(&mut self, key: LaneKey, next: i64) {
        if let Some(lane) = self.0.get_mut(&key) {
            lane.next = next;
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

    fn lanes() -> Lanes {
        let mut lanes = Lanes::default();
        lanes.take((Topic::Orders, 3), Lane { epoch: 7, next: 10 });
        lanes
    }

    #[test]
    fn a_record_of_an_earlier_epoch_is_not_admitted() {
        assert!(lanes().admits(at(10), 7));
        assert!(!lanes().admits(at(10), 6));
    }

    #[test]
    fn a_record_that_was_applied_is_not_admitted_again() {
        let mut lanes = lanes();
        assert!(!lanes.admits(at(9), 7));
        lanes.correct((Topic::Orders, 3), 11);
        assert!(!lanes.admits(at(10), 7));
        assert!(lanes.admits(at(11), 7));
    }

    #[test]
    fn a_lane_that_was_given_up_admits_nothing() {
        let mut lanes = lanes();
        lanes.give_up((Topic::Orders, 3));
        assert!(!lanes.admits(at(10), 7));
    }
}
