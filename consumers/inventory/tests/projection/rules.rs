//! The rules one by one: given what happened, when this happens, then that. No database.

use std::collections::BTreeMap;

use events_schema::{Event, StockLine};
use inventory::decide::{Change, State, decide};
use inventory::order::{Order, Status};
use runtime::testing::batch;
use runtime::{Decision, Partition, Source};

use crate::given::*;

/// The projection in memory: what the tables would hold.
#[derive(Default)]
struct World {
    state: State,
    offset: i64,
    conflicts: Vec<&'static str>,
}

fn given(events: impl IntoIterator<Item = Event>) -> World {
    let mut world = World::default();
    world.when(events);
    world
}

impl World {
    /// Decides these events as one batch and keeps what came of it.
    fn when(&mut self, events: impl IntoIterator<Item = Event>) -> Decision<Change> {
        let batch = batch(self.offset, events);
        self.offset += batch.records.len() as i64;
        let decision = decide(self.state.clone(), &batch);
        decision.changes.iter().cloned().for_each(|change| self.keep(change));
        decision
    }

    fn keep(&mut self, change: Change) {
        match change {
            Change::Order { order, lines } => {
                if order.status != Status::Confirmed {
                    self.state.reserved.remove(&order.order_id);
                } else if !lines.is_empty() {
                    let mut held = BTreeMap::<_, i32>::new();
                    for line in lines {
                        *held.entry(line.sku).or_default() += line.quantity.get();
                    }
                    let held = held.into_iter().map(|(sku, quantity)| StockLine { sku, quantity });
                    self.state.reserved.insert(order.order_id, held.collect());
                }
                self.state.orders.insert(order.order_id, order);
            }
            Change::Stock { sku, delta } => {
                *self.state.available.entry(sku).or_default() += delta;
            }
            Change::Receipt(event) => {
                self.state.receipts.insert(event.event_id);
            }
            Change::Refused(refused) => {
                self.state.receipts.insert(refused.event.event_id);
            }
            Change::Product(_) | Change::Delisted(_) => {}
            Change::Conflict { cause, .. } => self.conflicts.push(cause),
        }
    }

    fn stock(&self, name: &str) -> i64 {
        self.state.available.get(&sku(name)).copied().unwrap_or_default()
    }

    fn order(&self, number: u128) -> &Order {
        &self.state.orders[&order_id(number)]
    }

    fn status(&self, number: u128) -> Status {
        self.order(number).status
    }
}

/// When the batches of these tests are decided.
fn now() -> events_schema::Timestamp {
    batch(0, []).decided_at
}

fn published(decision: &Decision<Change>) -> Vec<Event> {
    decision.follow_ups.iter().map(|follow_up| follow_up.event.clone()).collect()
}

#[track_caller]
fn has_no_effect(decision: &Decision<Change>) {
    let rows = |change: &&Change| !matches!(change, Change::Conflict { .. });
    assert_eq!(decision.changes.iter().filter(rows).collect::<Vec<_>>(), Vec::<&Change>::new());
    assert_eq!(decision.follow_ups, []);
    assert_eq!((&decision.rejections[..], &decision.refusals[..]), (&[][..], &[][..]));
    assert_eq!(decision.duplicates.len(), 1);
}

#[test]
fn an_order_that_can_be_filled_is_confirmed_with_one_entry_per_sku() {
    let mut world = given([receive(1, "tea", 9), receive(2, "milk", 3)]);
    let decision = world.when([place(1, ANN, &[("tea", 2), ("milk", 3), ("tea", 4)])]);
    let expected = confirmed(1, ANN, now(), &[("milk", 3), ("tea", 6)]);
    assert_eq!(published(&decision), [expected]);
    assert_eq!((world.stock("tea"), world.stock("milk")), (3, 0));
    assert_eq!(world.status(1), Status::Confirmed);
}

#[test]
fn an_order_that_is_short_of_one_sku_takes_nothing_of_any() {
    let mut world = given([receive(1, "tea", 9), receive(2, "milk", 1)]);
    let decision = world.when([place(1, ANN, &[("tea", 2), ("milk", 1), ("milk", 1), ("egg", 7)])]);
    let shortages = [short("egg", 7, 0), short("milk", 2, 1)];
    assert_eq!(published(&decision), [rejected(1, ANN, now(), &shortages)]);
    assert_eq!((world.stock("tea"), world.stock("milk")), (9, 1));
    assert_eq!(world.order(1).shortages, shortages);
}

#[test]
fn the_last_unit_goes_to_whoever_came_first_in_the_same_batch() {
    let mut world = given([receive(1, "tea", 1)]);
    world.when([place(1, ANN, &[("tea", 1)]), place(2, BOB, &[("tea", 1)])]);
    assert_eq!((world.status(1), world.status(2)), (Status::Confirmed, Status::Rejected));
}

#[test]
fn a_hot_sku_costs_one_update_per_batch() {
    let mut world = given([receive(1, "tea", 100)]);
    let decision = world.when((1..50).map(|number| place(number, ANN, &[("tea", 1)])));
    let updates = decision.changes.iter().filter(|change| matches!(change, Change::Stock { .. }));
    assert_eq!(updates.count(), 1);
    assert_eq!(world.stock("tea"), 51);
}

#[test]
fn an_order_is_decided_once() {
    let mut world = given([receive(1, "tea", 9), place(1, ANN, &[("tea", 2)])]);
    has_no_effect(&world.when([place(1, ANN, &[("tea", 2)])]));
    assert!(world.conflicts.is_empty());
}

#[test]
fn the_first_content_under_an_order_id_wins_and_the_second_can_be_seen() {
    let mut world = given([receive(1, "tea", 9), place(1, ANN, &[("tea", 2)])]);
    has_no_effect(&world.when([place(1, ANN, &[("tea", 3)])]));
    assert_eq!(world.conflicts, ["different-content"]);
    assert_eq!(world.stock("tea"), 7);
}

#[test]
fn a_cancelled_order_gives_everything_back() {
    let mut world = given([receive(1, "tea", 9), place(1, ANN, &[("tea", 2), ("tea", 1)])]);
    let decision = world.when([cancel(1, ANN)]);
    assert_eq!(published(&decision), [cancelled(1, ANN, now(), &[("tea", 3)])]);
    assert_eq!(world.stock("tea"), 9);
    assert_eq!(world.status(1), Status::Cancelled);
}

#[test]
fn stock_that_is_released_can_be_had_by_the_next_order_of_the_batch() {
    let mut world = given([receive(1, "tea", 2), place(1, ANN, &[("tea", 2)])]);
    world.when([cancel(1, ANN), place(2, BOB, &[("tea", 2)])]);
    assert_eq!((world.status(2), world.stock("tea")), (Status::Confirmed, 0));
}

#[test]
fn an_order_is_cancelled_once() {
    let mut world = given([receive(1, "tea", 2), place(1, ANN, &[("tea", 2)]), cancel(1, ANN)]);
    has_no_effect(&world.when([cancel(1, ANN)]));
    assert_eq!(world.stock("tea"), 2);
}

#[test]
fn a_rejected_order_has_nothing_to_cancel() {
    let mut world = given([place(1, ANN, &[("tea", 2)])]);
    has_no_effect(&world.when([cancel(1, ANN)]));
    assert_eq!(world.status(1), Status::Rejected);
}

#[test]
fn an_order_cancelled_before_it_is_placed_stays_cancelled() {
    let mut world = given([receive(1, "tea", 2)]);
    let decision = world.when([cancel(1, ANN)]);
    assert_eq!(published(&decision), [cancelled(1, ANN, now(), &[])]);
    has_no_effect(&world.when([place(1, ANN, &[("tea", 2)])]));
    assert_eq!((world.status(1), world.stock("tea")), (Status::Cancelled, 2));
}

#[test]
fn nobody_cancels_somebody_elses_order() {
    let mut world = given([receive(1, "tea", 2), place(1, ANN, &[("tea", 2)])]);
    has_no_effect(&world.when([cancel(1, BOB)]));
    assert_eq!(world.status(1), Status::Confirmed);
    assert_eq!(world.conflicts, ["other-customer"]);
}

#[test]
fn nobody_prevents_somebody_elses_order_by_cancelling_it_beforehand() {
    let mut world = given([receive(1, "tea", 2), cancel(1, BOB)]);
    let decision = world.when([place(1, ANN, &[("tea", 2)])]);
    assert_eq!(published(&decision), [confirmed(1, ANN, now(), &[("tea", 2)])]);
    has_no_effect(&world.when([cancelled(1, BOB, now(), &[])]));
    assert_eq!(world.status(1), Status::Confirmed);
}

#[test]
fn a_follow_up_names_the_record_that_caused_it() {
    let mut batch = batch(40, [place(1, ANN, &[("tea", 1)])]);
    batch.records[0].source.partition = Partition(5);
    let decision = decide(State::default(), &batch);
    let expected = Source { partition: Partition(5), ..batch.records[0].source };
    assert_eq!(decision.follow_ups[0].cause, expected);
    let Change::Order { order, .. } = &decision.changes[0] else { panic!("{decision:?}") };
    assert_eq!((order.made_by.partition, order.made_by.offset), (5, 40));
}

#[test]
fn a_stock_record_counts_once_also_within_a_batch() {
    let mut world = given([]);
    let decision = world.when([receive(1, "tea", 2), receive(1, "tea", 2)]);
    assert_eq!((decision.duplicates.len(), world.stock("tea")), (1, 2));
    has_no_effect(&world.when([receive(1, "tea", 2)]));
}

#[test]
fn a_write_off_below_zero_is_refused_and_its_neighbours_are_not() {
    let mut world = given([receive(1, "tea", 2)]);
    let decision = world.when([receive(2, "tea", -3), receive(3, "tea", -2), receive(4, "x", -1)]);
    let causes: Vec<_> = decision.refusals.iter().map(|r| (r.source.offset.0, r.cause)).collect();
    assert_eq!(causes, [(1, "stock-below-zero"), (3, "stock-below-zero")]);
    let seen = decision.changes.iter().filter_map(|change| match change {
        Change::Refused(refused) => Some((refused.place.offset, refused.available)),
        _ => None,
    });
    assert_eq!(seen.collect::<Vec<_>>(), [(1, 2), (3, 0)]);
    assert_eq!((decision.rejections.len(), world.stock("tea")), (0, 0));
}

#[test]
fn a_refused_write_off_stays_refused_whatever_is_received_later() {
    let mut world = given([receive(1, "tea", -3), receive(2, "tea", 9)]);
    has_no_effect(&world.when([receive(1, "tea", -3)]));
    let decision = world.when([receive(3, "egg", -1), receive(4, "egg", 5), receive(3, "egg", -1)]);
    assert_eq!((decision.refusals.len(), decision.duplicates.len()), (1, 1));
    assert_eq!((world.stock("tea"), world.stock("egg")), (9, 5));
}

#[test]
fn more_than_can_be_counted_is_refused() {
    let mut world = given([]);
    world.state.available.insert(sku("tea"), i64::MAX - 1);
    let decision = world.when([receive(1, "tea", 2), receive(2, "tea", 1)]);
    assert_eq!(decision.refusals[0].cause, "stock-beyond-range");
    assert_eq!((decision.refusals.len(), world.stock("tea")), (1, i64::MAX));
}

#[test]
fn an_order_beyond_what_an_event_can_say_is_rejected_as_a_record() {
    let lines = vec![("tea", 1_000_000); 2_148];
    let decision = given([]).when([place(1, ANN, &lines)]);
    assert_eq!(decision.rejections[0].cause, "quantity-beyond-range");
    assert!(decision.changes.is_empty() && decision.follow_ups.is_empty());
}

#[test]
fn the_last_record_of_a_product_in_a_batch_is_written() {
    let decision = given([]).when([product("tea", 1), product("tea", 3), product("tea", 2)]);
    let Event::ProductUpserted(last) = product("tea", 2) else { unreachable!() };
    assert_eq!(decision.changes, [Change::Product(last)]);
}

#[test]
fn a_product_is_listed_or_not_as_its_last_record_says() {
    let last = |events: &[Event]| given([]).when(events.to_vec()).changes;
    let gone = [Change::Delisted(sku("tea"))];
    assert_eq!(last(&[product("tea", 1), delisted("tea")]), gone);
    assert_eq!(last(&[delisted("tea"), delisted("tea")]), gone, "though it never was");
    let Event::ProductUpserted(again) = product("tea", 2) else { unreachable!() };
    let listed = [Change::Product(again)];
    assert_eq!(last(&[product("tea", 1), delisted("tea"), product("tea", 2)]), listed);
}

#[test]
fn an_outcome_that_comes_back_is_a_duplicate_in_every_later_state() {
    let mut world = given([receive(1, "tea", 2), place(1, ANN, &[("tea", 2)])]);
    has_no_effect(&world.when([confirmed(1, ANN, now(), &[("tea", 2)])]));
    world.when([cancel(1, ANN), place(2, ANN, &[("egg", 1)])]);
    has_no_effect(&world.when([confirmed(1, ANN, now(), &[("tea", 2)])]));
    has_no_effect(&world.when([cancelled(1, ANN, now(), &[("tea", 2)])]));
    has_no_effect(&world.when([rejected(2, ANN, now(), &[short("egg", 1, 0)])]));
    assert_eq!(world.stock("tea"), 2);
}

#[test]
fn an_outcome_of_an_unknown_order_is_taken_as_it_is() {
    let mut world = given([receive(1, "tea", 9)]);
    let decision = world.when([
        confirmed(1, ANN, at(5), &[("tea", 4)]),
        rejected(2, ANN, at(6), &[short("tea", 99, 9)]),
        cancelled(3, ANN, at(7), &[("tea", 4)]),
    ]);
    assert_eq!(decision.follow_ups, []);
    assert_eq!(world.stock("tea"), 5);
    assert_eq!(world.order(1).decided_at, Some(at(5)));
    assert_eq!(world.order(2).shortages, [short("tea", 99, 9)]);
    assert_eq!(world.order(3).cancelled_at, Some(at(7)));
    world.when([cancel(1, ANN)]);
    assert_eq!(world.stock("tea"), 9);
}

#[test]
fn the_first_cancellation_of_an_order_not_yet_placed_is_kept() {
    let mut world = given([receive(1, "tea", 2), cancel(1, BOB)]);
    has_no_effect(&world.when([cancel(1, ANN)]));
    assert_eq!(world.conflicts, ["other-customer"]);
    world.when([place(1, ANN, &[("tea", 2)])]);
    assert_eq!(world.status(1), Status::Confirmed);
    world.when([cancel(1, ANN)]);
    assert_eq!((world.status(1), world.stock("tea")), (Status::Cancelled, 2));
}

#[test]
fn an_unknown_order_of_more_than_a_line_can_hold_gives_all_of_it_back() {
    let mut world = given([receive(1, "tea", 3_000_000)]);
    world.when([confirmed(1, ANN, at(5), &[("tea", 2_500_000)])]);
    assert_eq!(world.stock("tea"), 500_000);
    world.when([cancel(1, ANN)]);
    assert_eq!(world.stock("tea"), 3_000_000);
}

#[test]
fn a_confirmation_of_more_than_there_is_is_rejected() {
    let mut world = given([receive(1, "tea", 1)]);
    let decision = world.when([confirmed(1, ANN, at(5), &[("tea", 4)])]);
    assert_eq!(decision.rejections[0].cause, "stock-below-zero");
    assert_eq!(decision.changes, []);
}

#[test]
fn the_earlier_of_two_outcomes_of_an_order_stands() {
    // Decided anew after the tables were restored from a copy, with another result.
    let mut world = given([place(1, ANN, &[("tea", 2)]), receive(1, "tea", 5)]);
    world.when([place(2, ANN, &[("tea", 1)])]);
    world.when([
        confirmed(1, ANN, at(5), &[("tea", 2)]),
        rejected(2, ANN, at(6), &[short("tea", 1, 0)]),
    ]);
    assert_eq!((world.status(1), world.status(2)), (Status::Confirmed, Status::Rejected));
    assert_eq!(world.stock("tea"), 3);
    // What was published the second time comes back as well.
    has_no_effect(&world.when([rejected(1, ANN, now(), &[short("tea", 2, 0)])]));
    has_no_effect(&world.when([confirmed(2, ANN, now(), &[("tea", 1)])]));
    assert_eq!(world.order(1).decided_at, Some(at(5)));
}
