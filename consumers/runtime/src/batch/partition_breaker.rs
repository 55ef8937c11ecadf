//! The breaker of each partition: a release that fails every record must not park the topic. Pure;
//! whether a breaker is open is kept with the position, so that a new process begins with a probe.
//!
//! Counted per partition, because a healthy one says nothing of another. What a rule of the domain
//! refuses was read and decided: it is a success. A batch in which anything succeeds never trips it: so bad records, however many, cost their sender a row each as long as
//! good ones come between.

use std::collections::BTreeMap;

use crate::batch::parking::Reason;
use crate::ownership::stop::Stop;
use crate::partition::{Offset, TopicPartition};
use crate::record::{Content, Record};

/// The breakers of a worker's partitions.
#[derive(Debug)]
pub(crate) struct PartitionBreakers {
    /// So many rejections in a row trip.
    after: usize,
    partitions: BTreeMap<TopicPartition, PartitionBreaker>,
    /// As they are once the batch that was judged last is committed.
    judged: BTreeMap<TopicPartition, PartitionBreaker>,
}

/// Of one partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PartitionBreaker {
    /// It was tripped: the next batch is a probe.
    pub half_open: bool,
    /// Below this offset an operator wants everything parked that does not succeed.
    pub admit_below: Offset,
    /// Records rejected since one succeeded.
    failing: usize,
}

impl Default for PartitionBreaker {
    fn default() -> Self {
        Self::new(false, Offset(0))
    }
}

impl PartitionBreaker {
    pub(crate) fn new(half_open: bool, admit_below: Offset) -> Self {
        Self { half_open, admit_below, failing: 0 }
    }
}

impl PartitionBreakers {
    pub(crate) fn new(after: usize) -> Self {
        Self { after, partitions: BTreeMap::new(), judged: BTreeMap::new() }
    }

    pub(crate) fn set(&mut self, key: TopicPartition, breaker: PartitionBreaker) {
        self.partitions.insert(key, breaker);
    }

    pub(crate) fn give_up(&mut self, key: TopicPartition) {
        self.partitions.remove(&key);
        self.judged.remove(&key);
    }

    pub(crate) fn is_probing(&self) -> bool {
        self.partitions.values().any(|breaker| breaker.half_open)
    }

    /// The partitions that this batch trips. What waits behind another record, and what does not
    /// change the projection, says nothing.
    pub(crate) fn judge(
        &mut self,
        records: &[Record],
        reasons: &[Option<Reason>],
    ) -> Vec<(TopicPartition, Stop)> {
        self.judged.clear();
        let mut counts = BTreeMap::<TopicPartition, Count>::new();
        for (record, reason) in records.iter().zip(reasons) {
            let key = record.source.topic_partition();
            let before = self.partitions.get(&key).copied().unwrap_or_default();
            let count = counts.entry(key).or_insert(Count::of(before));
            match reason {
                None if matches!(record.content, Content::Irrelevant) => {}
                None => count.succeeded(),
                Some(reason) if reason.waits => {}
                Some(_) if record.source.offset < before.admit_below => {}
                Some(reason) => count.failed(reason.cause),
            }
        }
        self.judged = counts.iter().map(|(key, count)| (*key, count.breaker)).collect();
        let trips = counts.into_iter().filter(|(_, count)| count.trips(self.after));
        trips.map(|(key, count)| (key, count.stop())).collect()
    }

    /// The partitions whose probe succeeded in the batch that was judged last.
    pub(crate) fn closed(&self) -> Vec<TopicPartition> {
        let was_open = |key: &TopicPartition| {
            self.partitions.get(key).is_some_and(|partition| partition.half_open)
        };
        let closed = self.judged.iter().filter(|(key, now)| !now.half_open && was_open(key));
        closed.map(|(key, _)| *key).collect()
    }

    /// The batch that was judged last was committed.
    pub(crate) fn settle(&mut self) {
        self.partitions.append(&mut self.judged);
    }
}

/// What a batch says of one partition.
struct Count {
    breaker: PartitionBreaker,
    any_success: bool,
    any_failure: bool,
    cause: &'static str,
}

impl Count {
    fn of(breaker: PartitionBreaker) -> Self {
        Self { breaker, any_success: false, any_failure: false, cause: "" }
    }

    fn succeeded(&mut self) {
        self.any_success = true;
        self.breaker.failing = 0;
        self.breaker.half_open = false;
    }

    fn failed(&mut self, cause: &'static str) {
        self.any_failure = true;
        self.breaker.failing += 1;
        self.cause = cause;
    }

    fn trips(&self, after: usize) -> bool {
        let is_failing = self.breaker.half_open || self.breaker.failing >= after;
        self.any_failure && !self.any_success && is_failing
    }

    fn stop(&self) -> Stop {
        Stop::Tripped { rejected: self.breaker.failing, cause: self.cause }
    }
}

#[cfg(test)]
mod tests {
    use events_schema::Topic;

    use super::*;
    use crate::partition::{Partition, Source};
    use crate::testing::{record, shelf};

    /// A batch of partition 0, from an offset on: `.` succeeds, `x` fails, `w` waits, `i` is
    /// irrelevant.
    fn judge(breakers: &mut PartitionBreakers, from: i64, batch: &str) -> bool {
        let mut records = Vec::new();
        let mut reasons = Vec::new();
        for (offset, letter) in (from..).zip(batch.chars()) {
            let (topic, partition) = (Topic::Stock, Partition(0));
            let source = Source { topic, partition, offset: Offset(offset) };
            let mut record = record(source, shelf::received(offset, "a", 1));
            if letter == 'i' {
                record.content = Content::Irrelevant;
            }
            let reason = Reason { cause: "unlucky", detail: String::new(), waits: letter == 'w' };
            records.push(record);
            reasons.push("xw".contains(letter).then_some(reason));
        }
        let trips = !breakers.judge(&records, &reasons).is_empty();
        if !trips {
            breakers.settle();
        }
        trips
    }

    fn closed() -> PartitionBreakers {
        PartitionBreakers::new(5)
    }

    fn probing() -> PartitionBreakers {
        let mut breakers = PartitionBreakers::new(5);
        breakers.set(TopicPartition::new(Topic::Stock, 0), PartitionBreaker::new(true, Offset(0)));
        breakers
    }

    #[test]
    fn a_partition_without_a_single_success_trips() {
        assert!(judge(&mut closed(), 0, "xxxxx"));
        let mut breakers = closed();
        assert!(!judge(&mut breakers, 0, "xxwiwx"), "three that failed by themselves");
        assert!(judge(&mut breakers, 6, "xx"), "five in a row, over two batches");
    }

    #[test]
    fn bad_records_among_good_ones_never_trip() {
        let mut breakers = closed();
        assert!(!judge(&mut breakers, 0, "xxxx"));
        assert!(!judge(&mut breakers, 4, "xxxxxxxxx."));
        assert!(!judge(&mut breakers, 14, ".xxxxxxxxx"));
    }

    #[test]
    fn a_probe_fails_by_one_record_and_closes_the_breaker_by_one() {
        assert!(judge(&mut probing(), 0, "wix"));
        let mut breakers = probing();
        assert!(!judge(&mut breakers, 0, "iw"), "nothing was tried");
        assert!(breakers.is_probing());
        assert!(!judge(&mut breakers, 2, "xxxxxxx.x"));
        assert!(!breakers.is_probing());
    }

    #[test]
    fn records_that_an_operator_admits_do_not_trip() {
        let mut breakers = closed();
        breakers.set(TopicPartition::new(Topic::Stock, 0), PartitionBreaker::new(false, Offset(8)));
        assert!(!judge(&mut breakers, 0, "xxxxxxxx"));
        assert!(judge(&mut breakers, 8, "xxxxx"));
    }
}
