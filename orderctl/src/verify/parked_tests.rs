//! Claims about parked rows: which the log justifies.

use std::collections::BTreeMap;

use events_schema::{MoneyMinor, OrderLine, RecordPosition};

use super::*;
use crate::testing::{confirmed, encoder, placed, received};
use crate::verify::record::Unreadable;
use crate::verify::story::{Stand, Story};

/// A log, and what a projection that has read all of it has parked.
struct Bench {
    story: Story,
    stand: Stand,
}

fn place(topic: Topic, offset: i64) -> RecordPosition {
    RecordPosition { topic, partition: 0, offset }
}

impl Bench {
    /// These stock records and orders, each topic in one partition.
    fn of(events: impl IntoIterator<Item = Event>) -> Self {
        let positions =
            [Topic::Orders, Topic::Products, Topic::Stock].map(|topic| ((topic, 0), 100));
        let stand = Stand { positions: positions.into(), ..Stand::default() };
        let mut bench = Self { story: Story::default(), stand };
        let mut next = BTreeMap::<Topic, i64>::new();
        for event in events {
            let offset = next.entry(event.event_type().topic()).or_default();
            bench.story.tell(place(event.event_type().topic(), *offset), event);
            *offset += 1;
        }
        bench
    }

    /// Also this event, there, and parked for this cause.
    fn parks(mut self, at: RecordPosition, cause: &str, event: impl Into<Event>) -> Self {
        let event = event.into();
        self.story.tell(at, event.clone());
        let payload = encoder().encode(&event, vec![]).unwrap();
        let (key, payload) = (Some(event.key().into()), Some(payload));
        let subject = Some(event.subject());
        self.keep(at, cause, LogRecord { key, payload, subject, event: Some(event) });
        self
    }

    fn keep(&mut self, at: RecordPosition, cause: &str, record: LogRecord) {
        let (id, cause) = (1 + self.stand.parked.len() as i64, cause.to_owned());
        let (key, payload) = (record.key.clone(), record.payload.clone());
        self.stand.parked.insert(at, Parked { id, cause, key, payload, ..Parked::default() });
        self.story.parked.insert(at, record);
    }

    fn judged(&self, projection: Projection) -> Judged {
        judge(projection, View { story: &self.story, stand: &self.stand })
    }

    #[track_caller]
    fn is_justified(&self, projection: Projection) {
        let judged = self.judged(projection);
        assert_eq!((judged.unjustified, judged.unproven), (vec![], 0));
    }

    #[track_caller]
    fn is_named(&self, projection: Projection, expected: &str) {
        let judged = self.judged(projection);
        let said: Vec<_> = judged.unjustified.iter().map(|one| one.what.as_str()).collect();
        assert_eq!(said, [expected]);
    }
}

const UNJUSTIFIED: &str = "nothing in the log justifies that it is parked";

#[test]
fn a_row_without_a_reason_in_the_log_is_named() {
    for cause in ["undecodable", "blocked", "stock-below-zero", "quantity-beyond-range", "mood"] {
        let bench = Bench::of([]).parks(place(Topic::Orders, 0), cause, placed(1));
        bench.is_named(Projection::Inventory, UNJUSTIFIED);
    }
    let bench = Bench::of([]).parks(place(Topic::Orders, 0), "total-mismatch", placed(1));
    bench.is_named(Projection::Analytics, UNJUSTIFIED);
}

#[test]
fn a_record_that_nobody_can_read_justifies_its_row_where_it_has_to_be_read() {
    let (at, claimed) = (place(Topic::Orders, 0), "orderflow.OrderCancelRequested");
    let mut bench = Bench::of([]);
    let (claimed, why) = (Some(claimed.to_owned()), "it cannot be decoded".to_owned());
    bench.story.tell_unreadable(at, None, Unreadable { claimed, why });
    let payload = Some(b"nonsense".to_vec());
    bench.keep(at, "undecodable", LogRecord { key: None, payload, subject: None, event: None });
    bench.is_justified(Projection::Inventory);
    bench.is_named(Projection::ConfirmationEmail, UNJUSTIFIED);
}

#[test]
fn a_broken_rule_justifies_its_row() {
    let mut mismatch = placed(1);
    mismatch.total_minor = MoneyMinor::try_from(249).unwrap();
    let bench = Bench::of([]).parks(place(Topic::Orders, 0), "total-mismatch", mismatch);
    bench.is_justified(Projection::Analytics);
    bench.is_named(Projection::Inventory, UNJUSTIFIED);

    let mut beyond = placed(1);
    let line = |_| OrderLine { quantity: 1_000_000.try_into().unwrap(), ..beyond.lines[0].clone() };
    beyond.lines = (0..2_148).map(line).collect();
    let bench = Bench::of([]).parks(place(Topic::Orders, 0), "quantity-beyond-range", beyond);
    bench.is_justified(Projection::Inventory);
}

#[test]
fn a_write_off_that_the_shelf_had_enough_for_is_named_and_another_is_not() {
    // Ten came, an order took two: nobody knows whether before it or after.
    let log: [Event; 3] = [received(1, "a", 10).into(), placed(1).into(), confirmed(1).into()];
    for (taken, is_possible) in [(-8, false), (-9, true), (-11, true)] {
        let bench = Bench::of(log.clone());
        let write_off = received(2, "a", taken);
        let bench = bench.parks(place(Topic::Stock, 1), "stock-below-zero", write_off);
        match is_possible {
            true => bench.is_justified(Projection::Inventory),
            false => bench.is_named(Projection::Inventory, UNJUSTIFIED),
        }
    }
}

#[test]
fn what_waits_behind_an_earlier_parked_record_of_its_subject_is_justified() {
    let mut mismatch = placed(1);
    mismatch.total_minor = MoneyMinor::try_from(249).unwrap();
    let head = Bench::of([]).parks(place(Topic::Orders, 0), "total-mismatch", mismatch);
    let follower = head.parks(place(Topic::Orders, 1), "blocked", confirmed(1));
    follower.is_justified(Projection::Analytics);
    let other = follower.parks(place(Topic::Orders, 2), "blocked", confirmed(2));
    other.is_named(Projection::Analytics, UNJUSTIFIED);
}

#[test]
fn what_waited_behind_a_record_that_was_redriven_since_is_justified() {
    let head = Bench::of([placed(1).into()]);
    let mut follower = head.parks(place(Topic::Orders, 1), "blocked", confirmed(1));
    follower.is_named(Projection::Analytics, UNJUSTIFIED);
    let subject = Event::from(confirmed(1)).subject();
    follower.stand.went_before(Topic::Orders, subject.clone(), 7);
    follower.is_named(Projection::Analytics, UNJUSTIFIED);
    follower.stand.went_before(Topic::Orders, subject, 0);
    follower.is_justified(Projection::Analytics);
}

#[test]
fn a_write_off_that_was_tried_again_is_taken_on_the_databases_word() {
    let mut bench = Bench::of([received(1, "a", 10).into()]).parks(
        place(Topic::Stock, 1),
        "stock-below-zero",
        received(2, "a", -8),
    );
    bench.is_named(Projection::Inventory, UNJUSTIFIED);
    bench.stand.parked.values_mut().for_each(|row| row.tried_again = true);
    assert_eq!(bench.judged(Projection::Inventory).unproven, 1);
    // It may have been parked for another cause before, so that others waited behind it.
    let bench = bench.parks(place(Topic::Stock, 2), "blocked", received(3, "a", 5));
    assert_eq!(bench.judged(Projection::Inventory).unjustified, []);
}

#[test]
fn what_waits_behind_a_quarantined_or_discarded_record_is_justified() {
    for state in [State::Quarantined, State::Discarded] {
        let mut mismatch = placed(1);
        mismatch.total_minor = MoneyMinor::try_from(249).unwrap();
        let head = Bench::of([]).parks(place(Topic::Orders, 0), "total-mismatch", mismatch);
        let mut follower = head.parks(place(Topic::Orders, 1), "blocked", confirmed(1));
        follower.stand.parked.get_mut(&place(Topic::Orders, 0)).unwrap().state = state;
        follower.is_justified(Projection::Analytics);
    }
}

#[test]
fn a_discarded_record_needs_no_reason_in_the_log_and_a_quarantined_one_does() {
    let at = place(Topic::Orders, 0);
    let mut bench = Bench::of([]).parks(at, "total-mismatch", placed(1));
    bench.stand.parked.get_mut(&at).unwrap().state = State::Quarantined;
    bench.is_named(Projection::Analytics, UNJUSTIFIED);
    bench.stand.parked.get_mut(&at).unwrap().state = State::Discarded;
    bench.is_justified(Projection::Analytics);
}

#[test]
fn what_failed_in_a_redrive_for_a_cause_of_its_own_is_justified_by_that() {
    let mut mismatch = placed(1);
    mismatch.total_minor = MoneyMinor::try_from(249).unwrap();
    let at = place(Topic::Orders, 0);
    let mut bench = Bench::of([]).parks(at, "total-mismatch", mismatch);
    bench.stand.parked.get_mut(&at).unwrap().tried_again = true;
    bench.is_justified(Projection::Analytics);
}

#[test]
fn nothing_waits_behind_a_write_off() {
    let write_off =
        Bench::of([]).parks(place(Topic::Stock, 0), "stock-below-zero", received(1, "a", -5));
    let follower = write_off.parks(place(Topic::Stock, 1), "blocked", received(2, "a", 5));
    follower.is_named(Projection::Inventory, UNJUSTIFIED);
}

#[test]
fn a_row_that_is_not_what_stands_in_the_log_is_named() {
    let (at, cause) = (place(Topic::Orders, 0), "refused-by-database");
    let parked = || Bench::of([]).parks(at, cause, placed(1));
    let projection = Projection::Inventory;
    assert_eq!(parked().judged(projection).unproven, 1, "only the database can tell");

    let mut other = parked();
    other.stand.parked.get_mut(&at).unwrap().payload = None;
    other.is_named(projection, "its bytes in the log are others than those that are parked");
    let mut other = parked();
    other.stand.parked.get_mut(&at).unwrap().key = Some(b"x".to_vec());
    other.is_named(projection, "its bytes in the log are others than those that are parked");

    let mut behind = parked();
    behind.stand.positions.insert((Topic::Orders, 0), 0);
    behind.is_named(projection, "it is parked and stands behind the position");

    let mut absent = parked();
    absent.story.parked.clear();
    absent.is_named(projection, "it is parked and not in the log");
    absent.story.compacted.insert((Topic::Orders, 0));
    assert_eq!(absent.judged(projection).lost, 1);

    let mut stray = Bench::of([]);
    stray.stand.strays.push("elsewhere".to_owned());
    stray.is_named(projection, "it reads no such topic");
}
