//! What holds for every log. Needs no database.

use std::collections::BTreeMap;

use analytics::Totals;
use events_schema::Event;
use proptest::prelude::*;
use proptest::sample::Index;

use crate::given::*;

/// Any fact of any of nine orders of three customers, repeated and in any order.
pub(crate) fn fact() -> impl Strategy<Value = Event> {
    let sku = prop::sample::select(vec!["apple", "pear", "plum"]);
    let lines = prop::collection::vec((sku, 1..4_i64, 0..500_i64), 1..4);
    (0..9_u128, 0..6_u8, 0..3 * HOUR, lines).prop_map(|(order, kind, when, lines)| match kind {
        0 | 1 => {
            let lines: Vec<_> = lines.into_iter().map(|(s, q, p)| line(s, q, p)).collect();
            placed(order, when, &lines).into()
        }
        2 => confirmed(order, when),
        3 => rejected(order, when),
        4 => cancel_requested(order, when),
        _ => cancelled(order, when),
    })
}

pub(crate) fn log() -> impl Strategy<Value = Vec<Event>> {
    prop::collection::vec(fact(), 0..80)
}

/// Cuts a log into batches.
fn cut(mut log: Vec<Event>, at: &[Index]) -> Vec<Vec<Event>> {
    let mut places: Vec<usize> = at.iter().map(|index| index.index(log.len() + 1)).collect();
    places.sort_unstable_by(|a, b| b.cmp(a));
    let mut batches: Vec<_> = places.into_iter().map(|place| log.split_off(place)).collect();
    batches.push(log);
    batches.reverse();
    batches
}

/// The same log with the customers mixed otherwise: each customer's own events stay in order.
fn interleaved(log: Vec<Event>, choices: &[Index]) -> Vec<Event> {
    let mut queues: BTreeMap<String, std::collections::VecDeque<Event>> = BTreeMap::new();
    for event in log {
        queues.entry(event.key().to_owned()).or_default().push_back(event);
    }
    let mut mixed = vec![];
    for choice in choices.iter().cycle() {
        queues.retain(|_, queue| !queue.is_empty());
        if queues.is_empty() {
            break;
        }
        let next = choice.index(queues.len());
        let queue = queues.values_mut().nth(next);
        mixed.extend(queue.and_then(|queue| queue.pop_front()));
    }
    mixed
}

proptest! {
    #[test]
    fn how_the_customers_are_interleaved_does_not_matter(
        log in log(),
        choices in prop::collection::vec(any::<Index>(), 1..40),
    ) {
        let mixed = interleaved(log.clone(), &choices);
        prop_assert_eq!(mixed.len(), log.len());
        prop_assert_eq!(Store::after([mixed]), Store::after([log]));
    }

    #[test]
    fn a_record_delivered_again_changes_nothing_and_counts_as_duplicate(
        log in log(),
        from in any::<Index>(),
    ) {
        let once = Store::after([log.clone()]);
        let mut twice = Store::after([log.clone()]);
        let again = log[from.index(log.len() + 1)..].to_vec();
        let received = again.len();
        let decision = twice.apply(again);
        prop_assert_eq!(decision.duplicates.len(), received);
        prop_assert_eq!(twice, once);
    }

    #[test]
    fn revenue_by_hour_is_revenue_by_customer(log in log()) {
        let totals = Store::after([log]).totals;
        let by_hour: i128 = totals.sales.values().map(|sales| sales.revenue_minor).sum();
        let by_customer: i128 = totals.customers.values().map(|c| c.revenue_minor).sum();
        prop_assert_eq!(by_hour, by_customer);
    }

    #[test]
    fn orders_by_hour_are_orders_by_customer(log in log()) {
        let totals = Store::after([log]).totals;
        let hours: i64 = totals.funnel.values().map(|f| f.placed).sum();
        let customers: i64 = totals.customers.values().map(|c| c.orders).sum();
        prop_assert_eq!(hours, customers);
        let hours: i64 = totals.funnel.values().map(|f| f.cancelled).sum();
        let customers: i64 = totals.customers.values().map(|c| c.cancelled).sum();
        prop_assert_eq!(hours, customers);
    }

    #[test]
    fn the_totals_are_the_sum_of_what_the_orders_say(
        log in log(),
        at in prop::collection::vec(any::<Index>(), 0..12),
    ) {
        let store = Store::after(cut(log, &at));
        let mut totals = Totals::default();
        for (key, order) in &store.orders {
            totals.add(key, order);
        }
        prop_assert_eq!(store.totals, totals);
    }
}
