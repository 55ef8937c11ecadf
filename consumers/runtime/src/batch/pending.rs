//! What a worker took and has not applied yet, and how much of it the next transaction takes: all,
//! or less while a record that the database refuses is being looked for, and as long as the
//! database is too slow for more. Pure.

use std::collections::HashSet;
use std::time::Duration;

use crate::error::StoreError;
use crate::record::{Content, Record};

/// Why a record parks that the database refused, though decide did not.
pub(crate) const REFUSED_BY_DATABASE: &str = "refused-by-database";

/// Records in order, per partition.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    pub records: Vec<Record>,
    /// The next transaction takes so many, where something was refused; otherwise all.
    take_at_most: Option<usize>,
    refused_alone: bool,
    /// More than this the database did not get through in time. Outlives the batch: the next one is
    /// as large.
    fits_in_time: Option<usize>,
    /// So many at the end wait for a schema, themselves or behind one that does.
    held: usize,
}

/// A transaction that took no longer than this leaves room for one twice as large: that one still ends
/// well within a statement's 4 s.
const QUICK: Duration = Duration::from_secs(1);

impl Pending {
    pub(crate) fn of(records: Vec<Record>) -> Self {
        Self { records, ..Self::default() }
    }

    /// What the next transaction takes.
    pub(crate) fn next(&mut self) -> &mut [Record] {
        let free = self.records.len().saturating_sub(self.held);
        let count =
            self.take_at_most.unwrap_or(usize::MAX).min(self.fits_in_time.unwrap_or(usize::MAX));
        self.records.get_mut(..count.min(free)).unwrap_or_default()
    }

    /// Nothing waits for a schema.
    pub(crate) fn hold_none(&mut self) {
        self.held = 0;
    }

    /// Puts what waits for a schema, and what stands behind it in its partition, behind the rest.
    pub(crate) fn hold_unresolved(&mut self) {
        let mut waiting = HashSet::new();
        let waits = |record: &mut Record| {
            let partition = record.source.topic_partition();
            if record.needs().is_some() {
                waiting.insert(partition);
            }
            waiting.contains(&partition)
        };
        let held: Vec<Record> = self.records.extract_if(.., waits).collect();
        self.held = held.len();
        self.records.extend(held);
    }

    /// A batch was committed: `is_left` says what it did not apply. Where it is known how long that took,
    /// the one after takes more again.
    pub(crate) fn committed(
        &mut self,
        took: Option<Duration>,
        is_left: impl FnMut(&Record) -> bool,
    ) {
        self.records.retain(is_left);
        if took.is_some_and(|took| took <= QUICK) {
            self.fits_in_time = self.fits_in_time.and_then(|count| count.checked_mul(2));
        }
        self.grow();
    }

    fn grow(&mut self) {
        self.refused_alone = false;
        let take = self.take_at_most.map(|take| take.saturating_mul(2));
        self.take_at_most = take.filter(|take| *take < self.records.len());
    }

    /// It did not get through in time: half of it next. `false` where it is a single record, which
    /// is not to blame: what is to be done is that of an outage.
    pub(crate) fn too_much(&mut self) -> bool {
        let count = self.next().len();
        self.fits_in_time = Some((count / 2).max(1));
        count > 1
    }

    /// The database refused what a record of it asks to store: halves it until that record is alone,
    /// and makes it park.
    ///
    /// # Errors
    /// [`StoreError::Broken`] where the record can be neither applied nor parked.
    pub(crate) fn refused(&mut self, error: &sqlx::Error) -> Result<(), StoreError> {
        let alone = self.refused_alone;
        match self.next() {
            [record] if alone => match record.content {
                Content::Poison { .. } => {
                    let what = format!("{:?} can be neither applied nor parked", record.source);
                    return Err(StoreError::Broken(format!("{what}: {}", named(error))));
                }
                _ => {
                    let detail = format!("the database refused it: {}", named(error));
                    record.content = Content::Poison { cause: REFUSED_BY_DATABASE, detail };
                }
            },
            // Twice alone, because the first time a neighbour in another partition may have
            // written the same row meanwhile.
            [_] => self.refused_alone = true,
            several => self.take_at_most = Some(several.len() / 2),
        }
        Ok(())
    }
}

/// Code and constraint only: the database's message may repeat what the record holds.
fn named(error: &sqlx::Error) -> String {
    let database = error.as_database_error();
    let code = database.and_then(|e| e.code()).unwrap_or_default();
    let constraint = database.and_then(|e| e.constraint()).unwrap_or("no constraint");
    format!("SQLSTATE {code}, {constraint}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::partition::{Offset, Partition, Source};
    use crate::testing::{record, shelf};

    fn records(count: i64) -> Vec<Record> {
        let at = |offset| {
            let (topic, partition) = (events_schema::Topic::Stock, Partition(0));
            let source = Source { topic, partition, offset: Offset(offset) };
            record(source, shelf::received(offset, "a", 1))
        };
        (0..count).map(at).collect()
    }

    /// What the next transaction takes is committed.
    fn applied(pending: &mut Pending, took: Duration) {
        let applied: HashSet<Source> = pending.next().iter().map(|r| r.source).collect();
        pending.committed(Some(took), |record| !applied.contains(&record.source));
    }

    fn error() -> sqlx::Error {
        sqlx::Error::PoolTimedOut
    }

    /// Works through `count` records of which the database refuses the one at `bad`.
    fn work(count: i64, bad: i64) -> (Vec<i64>, usize) {
        let mut pending = Pending::of(records(count));
        let (mut parked, mut transactions) = (vec![], 0);
        while !pending.records.is_empty() {
            transactions += 1;
            let next = pending.next();
            let poison = |r: &&mut Record| matches!(r.content, Content::Poison { .. });
            let bad_one = next.iter_mut().find(|record| record.source.offset.0 == bad);
            if bad_one.is_some_and(|record| !poison(&record)) {
                pending.refused(&error()).unwrap();
                continue;
            }
            parked.extend(next.iter_mut().filter(poison).map(|record| record.source.offset.0));
            applied(&mut pending, Duration::ZERO);
        }
        (parked, transactions)
    }

    #[test]
    fn only_the_record_that_the_database_refuses_parks() {
        for bad in [0, 1, 499, 500, 998, 999] {
            let (parked, transactions) = work(1000, bad);
            assert_eq!(parked, [bad]);
            assert!(transactions < 45, "{transactions} transactions to find {bad}");
        }
    }

    #[test]
    fn a_slow_batch_is_halved_until_it_fits_and_a_quick_one_grows() {
        let mut pending = Pending::of(records(1000));
        let mut sizes = vec![];
        while !pending.records.is_empty() {
            let count = pending.next().len();
            sizes.push(count);
            match count {
                300.. => assert!(pending.too_much()),
                200.. => applied(&mut pending, QUICK * 2),
                _ => applied(&mut pending, QUICK),
            }
        }
        assert_eq!(sizes, [1000, 500, 250, 250, 250, 250]);
        pending.records = records(1750);
        for first in [0, 250, 750, 1750] {
            let offset = |record: &Record| record.source.offset.0;
            assert_eq!(pending.records.first().map(offset).unwrap_or(1750), first);
            applied(&mut pending, QUICK);
        }
    }

    #[test]
    fn a_single_record_that_does_not_fit_in_time_stays_and_does_not_park() {
        let mut pending = Pending::of(records(2));
        assert!(pending.too_much());
        for _ in 0..5 {
            assert!(!pending.too_much());
            assert!(matches!(pending.next(), [one] if matches!(one.content, Content::Event(_))));
        }
    }

    #[test]
    fn a_record_that_waits_for_a_schema_holds_only_its_own_partition() {
        let place = |(offset, partition): (i64, i32)| {
            let (topic, partition) = (events_schema::Topic::Stock, Partition(partition));
            let source = Source { topic, partition, offset: Offset(offset) };
            record(source, shelf::received(offset, "a", 1))
        };
        let mut pending =
            Pending::of([(0, 1), (0, 2), (1, 1), (2, 1), (1, 2)].map(place).into_iter().collect());
        pending.records[2].content = Content::Unresolved(7);
        pending.hold_unresolved();
        let places = |records: &[Record]| -> Vec<(i32, i64)> {
            records.iter().map(|r| (r.source.partition.0, r.source.offset.0)).collect()
        };
        assert_eq!(places(pending.next()), [(1, 0), (2, 0), (2, 1)]);
        applied(&mut pending, Duration::ZERO);
        assert!(pending.next().is_empty());
        assert_eq!(places(&pending.records), [(1, 1), (1, 2)]);
        pending.records[0].content = Content::Irrelevant;
        pending.hold_none();
        assert_eq!(pending.next().len(), 2);
    }

    #[test]
    fn a_record_that_cannot_even_be_parked_is_named_and_ends_the_search() {
        let mut pending = Pending::of(records(1));
        let mut tries = 0;
        let ended = loop {
            tries += 1;
            match pending.refused(&error()) {
                Ok(()) => assert!(tries < 5, "it goes on for ever"),
                Err(error) => break error.to_string(),
            }
        };
        assert!(ended.contains("neither applied nor parked"), "{ended}");
    }
}
