//! Random histories: few orders, SKUs and customers, so that everything meets everything.

use events_schema::Event;
use proptest::prelude::*;

use crate::given::*;

const SKUS: [&str; 3] = ["a", "b", "c"];

/// Any history.
pub(crate) fn any() -> impl Strategy<Value = Vec<Event>> {
    let customer = || prop_oneof![8 => Just(ANN), 1 => Just(BOB)];
    let sku = || prop::sample::select(&SKUS[..]);
    let lines = prop::collection::vec((sku(), 1..6), 1..4);
    let event = prop_oneof![
        4 => (1..9_u128, customer(), lines).prop_map(|(n, who, lines)| place(n, who, &lines)),
        2 => (1..9_u128, customer()).prop_map(|(n, who)| cancel(n, who)),
        3 => (1..40_u128, sku(), 1..9_i64).prop_map(|(n, sku, delta)| receive(n, sku, delta)),
        1 => (41..60_u128, sku(), -5..0_i64).prop_map(|(n, sku, delta)| receive(n, sku, delta)),
        1 => (sku(), 1..500_i64).prop_map(|(sku, price)| product(sku, price)),
    ];
    prop::collection::vec(event, 0..40)
}
