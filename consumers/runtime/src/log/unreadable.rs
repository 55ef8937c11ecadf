//! Batches of the log that the client cannot read: damaged, or larger than it unpacks (100 MB). Pure.
//!
//! librdkafka complains of such a batch again and again, but the Rust client does not say where it is:
//! so it is where there are records, and none comes.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::partition::{Offset, TopicPartition};

/// Nothing is fetched for so long.
const STUCK: Duration = Duration::from_secs(5);
/// After the last complaint: the client waits half a second between two tries.
const FORGOTTEN: Duration = Duration::from_secs(2);

/// How far the client has fetched a partition, as it says once a second.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fetched {
    /// The next offset that it asks for.
    pub next: Offset,
    /// The end of the log, for whoever reads what is committed.
    pub readable_end: Offset,
    /// Records that nobody has polled yet.
    pub queued: i64,
}

/// Finds the partitions that an unreadable batch keeps.
#[derive(Debug, Default)]
pub(crate) struct Unreadable {
    complained_at: Option<Instant>,
    /// Where each partition that has records stands, and since when it was seen there.
    waiting: BTreeMap<TopicPartition, (Offset, Instant)>,
}

impl Unreadable {
    /// The client cannot read a batch, of some partition.
    pub(crate) fn complain(&mut self, now: Instant) {
        self.complained_at = Some(now);
    }

    /// The partitions that have stood still since the complaints began; each is named once.
    pub(crate) fn stuck(
        &mut self,
        now: Instant,
        partitions: &[(TopicPartition, Fetched)],
    ) -> Vec<TopicPartition> {
        if self.complained_at.is_none_or(|at| now.duration_since(at) > FORGOTTEN) {
            *self = Self::default();
            return vec![];
        }
        let mut stuck = Vec::new();
        let mut waiting = BTreeMap::new();
        for (key, fetched) in partitions {
            if fetched.next >= fetched.readable_end || fetched.queued > 0 {
                continue;
            }
            let before = self.waiting.get(key).filter(|(next, _)| *next == fetched.next);
            let (next, since) = before.copied().unwrap_or((fetched.next, now));
            match now.duration_since(since) < STUCK {
                true => drop(waiting.insert(*key, (next, since))),
                false => stuck.push(*key),
            }
        }
        self.waiting = waiting;
        stuck
    }
}

#[cfg(test)]
mod tests {
    use events_schema::Topic;

    use super::*;

    const KEY: TopicPartition = TopicPartition::new(Topic::Stock, 0);

    /// What is named in each second, with a complaint at those of `complaints`.
    fn named(complaints: &[u64], fetched: impl Fn(u64) -> (i64, i64, i64)) -> Vec<u64> {
        let (start, mut unreadable) = (Instant::now(), Unreadable::default());
        let mut named = |second: &u64| {
            let now = start + Duration::from_secs(*second);
            if complaints.contains(second) {
                unreadable.complain(now);
            }
            let (next, end, queued) = fetched(*second);
            let (next, readable_end) = (Offset(next), Offset(end));
            let partition = (KEY, Fetched { next, readable_end, queued });
            !unreadable.stuck(now, &[partition]).is_empty()
        };
        (0..14).filter(|second| named(second)).collect()
    }

    const ALWAYS: [u64; 14] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13];

    #[test]
    fn a_partition_that_has_records_but_delivers_none_is_reported_every_time() {
        assert_eq!(named(&ALWAYS, |_| (7, 9, 0)), [5, 11]);
    }

    #[test]
    fn a_partition_that_moves_or_waits_for_its_worker_or_is_at_its_end_is_not_reported() {
        let none: [u64; 0] = [];
        assert_eq!(named(&ALWAYS, |second| (second as i64, 99, 0)), none);
        assert_eq!(named(&ALWAYS, |_| (7, 9, 1)), none);
        assert_eq!(named(&ALWAYS, |_| (9, 9, 0)), none);
    }

    #[test]
    fn no_partition_is_reported_without_a_recent_complaint() {
        let none: [u64; 0] = [];
        assert_eq!(named(&[], |_| (7, 9, 0)), none);
        assert_eq!(named(&[0, 1], |_| (7, 9, 0)), none);
        assert_eq!(named(&[0, 1, 2, 8, 10, 12], |_| (7, 9, 0)), [13], "since the later ones");
    }
}
