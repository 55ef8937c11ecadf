//! Tables for `decide`: events in, totals out. Needs no database.

use analytics::{Funnel, Sales};
use events_schema::{Currency, Event, MoneyMinor};

use crate::given::*;

/// Two lines of one SKU and one of another: 2 × 100 + 1 × 150 + 3 × 10 = 380.
fn order(n: u128, when: i64) -> Event {
    let lines = [line("apple", 2, 100), line("apple", 1, 150), line("pear", 3, 10)];
    placed(n, when, &lines).into()
}

fn funnel_of(events: &[Event]) -> Option<Funnel> {
    let store = Store::after([events.to_vec()]);
    assert!(store.totals.funnel.len() <= 1, "the orders of these tables are of one hour");
    store.totals.funnel.into_values().next()
}

fn counts([placed, confirmed, rejected, cancel_requested, cancelled]: [i64; 5]) -> Option<Funnel> {
    Some(Funnel { placed, confirmed, rejected, cancel_requested, cancelled })
}

#[test]
fn the_funnel_counts_how_far_the_orders_of_an_hour_came() {
    let table = [
        (vec![order(0, 0)], counts([1, 0, 0, 0, 0])),
        (vec![order(0, 0), order(1, HOUR - 1)], counts([2, 0, 0, 0, 0])),
        (vec![order(0, 0), confirmed(0, HOUR)], counts([1, 1, 0, 0, 0])),
        (vec![order(0, 0), rejected(0, 1)], counts([1, 0, 1, 0, 0])),
        (vec![order(0, 0), cancel_requested(0, 1)], counts([1, 0, 0, 1, 0])),
        (
            vec![order(0, 0), confirmed(0, 1), cancel_requested(0, 2), cancelled(0, 3)],
            counts([1, 1, 0, 1, 1]),
        ),
    ];
    for (events, expected) in table {
        assert_eq!(funnel_of(&events), expected, "{events:?}");
    }
}

#[test]
fn facts_of_an_order_count_once_it_is_placed_whatever_came_first() {
    let facts = [cancel_requested(0, 1), cancelled(0, 2)];
    assert_eq!(funnel_of(&facts), None);
    let [requested, done] = facts;
    assert_eq!(funnel_of(&[requested, done, order(0, 3)]), counts([1, 0, 0, 1, 1]));
}

#[test]
fn a_stranger_cannot_count_in_a_customers_order() {
    let stranger = cancel_requested_by(customer_of(1), 0, 1);
    assert_eq!(funnel_of(&[stranger.clone(), order(0, 0)]), counts([1, 0, 0, 0, 0]));
    assert_eq!(funnel_of(&[order(0, 0), stranger]), counts([1, 0, 0, 0, 0]));
}

#[test]
fn a_confirmed_order_is_sold_in_the_hour_in_which_it_was_placed() {
    let store = Store::after([vec![order(0, 5)], vec![confirmed(0, 2 * HOUR)]]);
    let sold: Vec<_> = store.totals.sales.into_iter().collect();
    let key = |sku: &str| (at(0), sku.parse().unwrap(), Currency::USD);
    assert_eq!(
        sold,
        [
            (key("apple"), Sales { orders: 1, units: 3, revenue_minor: 350 }),
            (key("pear"), Sales { orders: 1, units: 3, revenue_minor: 30 }),
        ]
    );
}

#[test]
fn a_cancellation_takes_the_sale_back_and_leaves_the_other_orders() {
    let both = vec![order(0, 0), confirmed(0, 1), order(1, 0), confirmed(1, 1)];
    let without = Store::after([both.clone(), vec![cancelled(0, 9)]]).totals;
    let only = Store::after([vec![order(1, 0), confirmed(1, 1)]]).totals;
    assert_eq!(without.sales, only.sales);
    assert_ne!(without.sales, Store::after([both]).totals.sales);
}

#[test]
fn a_customers_revenue_is_of_confirmed_orders_that_were_not_cancelled() {
    let events = vec![
        order(0, 7),
        order(3, HOUR),
        order(6, -5),
        confirmed(0, 8),
        confirmed(3, 9),
        cancelled(3, 10),
        rejected(6, 11),
    ];
    let customers = Store::after([events]).totals.customers;
    let customer = customers.values().next().unwrap();
    assert_eq!((customer.orders, customer.confirmed), (3, 2));
    assert_eq!((customer.rejected, customer.cancelled), (1, 1));
    assert_eq!(customer.revenue_minor, 380);
    assert_eq!((customer.first_order_at, customer.last_order_at), (at(-5), at(HOUR)));
}

#[test]
fn the_same_order_again_is_a_duplicate_even_with_another_body() {
    let other = placed(0, 60, &[line("plum", 1, 1)]).into();
    let mut store = Store::default();
    let decision = store.apply(vec![order(0, 0), other]);
    assert_eq!(decision.duplicates.len(), 1);
    assert_eq!(decision.duplicates[0].offset.0, 1);
    assert_eq!(store, Store::after([vec![order(0, 0)]]));
}

#[test]
fn an_order_whose_total_is_not_the_sum_of_its_lines_rejects_only_itself() {
    let mut wrong = placed(1, 0, &[line("apple", 2, 100)]);
    wrong.total_minor = MoneyMinor::try_from(201).unwrap();
    let mut store = Store::default();
    let decision = store.apply(vec![wrong.into(), order(0, 0)]);
    let rejection = &decision.rejections[0];
    assert_eq!((rejection.cause, rejection.source.offset.0), ("total-mismatch", 0));
    assert_eq!(rejection.detail, "the total is 201 and the lines give 200");
    assert_eq!(store, Store::after([vec![order(0, 0)]]));
}

#[test]
fn a_total_beyond_any_number_is_rejected_and_does_not_wrap() {
    let lines = [
        line("gold", 1_000_000, i64::MAX / 1_000_000),
        line("gold", 1_000_000, i64::MAX / 1_000_000),
    ];
    let mut huge = placed(0, 0, &[]);
    huge.lines = lines.to_vec();
    let decision = Store::default().apply(vec![huge.into()]);
    assert_eq!(decision.rejections.len(), 1);
}

#[test]
fn the_last_word_on_a_product_in_the_batch_is_written() {
    let events = vec![product("a", "Old", "X"), product("a", "New", "Y"), product("b", "B", "X")];
    let decision = Store::default().apply(events);
    let products = &decision.changes[0].products;
    let name = |sku: &str| products[&sku.parse().unwrap()].name.as_str();
    assert_eq!((name("a"), name("b")), ("New", "B"));
}

#[test]
fn a_batch_of_duplicates_writes_nothing() {
    let mut store = Store::after([vec![order(0, 0)]]);
    assert!(store.apply(vec![order(0, 0)]).changes.is_empty());
}
