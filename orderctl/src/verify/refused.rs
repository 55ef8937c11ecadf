//! Whether the log justifies what inventory refused: that there can have been too little on the
//! shelf. Decides nothing that the log does not say.

use std::collections::HashMap;

use events_schema::Sku;

use super::compare::Difference;
use super::inventory;
use super::story::View;

/// Refused stock records that the shelf had enough for. The log does not say when orders were
/// decided between two stock records: at worst all of them before.
pub(super) fn unjustified(view: View<'_>) -> Vec<Difference> {
    if view.stand.refused.is_empty() {
        return Vec::new();
    }
    let reserved = inventory::reserved(view);
    let mut received = HashMap::<(i32, &Sku), i64>::new();
    let mut found = Vec::new();
    for (place, event) in view.stock() {
        let came = received.entry((place.partition, &event.sku)).or_default();
        let held = reserved.get(&event.sku).copied().unwrap_or_default();
        let left = (*came - held).checked_add(i64::from(event.delta.get()));
        if !view.stand.refused.contains(&event.event_id) {
            *came = came.saturating_add(i64::from(event.delta.get()));
        } else if left.is_some_and(|left| left >= 0) {
            let what = format!("it was refused, and nothing in the log justifies that: {place}");
            found.push(Difference::invariant("stock_receipts", &event.event_id, what));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use events_schema::{Event, RecordPosition, Topic};

    use super::*;
    use crate::testing::{confirmed, placed, received};
    use crate::verify::story::{Stand, Story};

    /// What is said of the last stock record, where it was refused.
    fn refused(records: &[(u8, &str, i64)]) -> Vec<Difference> {
        let (mut story, mut stand) = (Story::default(), Stand::default());
        let mut tell = |topic, offset, event: Event| {
            let id = event.event_id();
            story.tell(RecordPosition { topic, partition: 0, offset }, event);
            stand.positions.insert((topic, 0), offset + 1);
            id
        };
        tell(Topic::Orders, 0, placed(1).into());
        tell(Topic::Orders, 1, confirmed(1).into());
        let mut last = None;
        for (offset, (number, sku, delta)) in (0..).zip(records) {
            last = Some(tell(Topic::Stock, offset, received(*number, sku, *delta).into()));
        }
        stand.refused.extend(last);
        unjustified(View { story: &story, stand: &stand })
    }

    #[test]
    fn a_refusal_that_the_shelf_had_enough_for_is_named_and_another_is_not() {
        // Ten came, an order took two: nobody knows whether before it or after.
        let named = refused(&[(1, "a", 10), (2, "a", -8)]);
        assert_eq!(named.len(), 1);
        assert!(named[0].what.ends_with("justifies that: stock:0@1"), "{}", named[0]);
        for taken in [-9, -11] {
            assert_eq!(refused(&[(1, "a", 10), (2, "a", taken)]), [], "{taken}");
        }
        assert_eq!(refused(&[(1, "b", 99), (2, "a", -1)]), [], "another SKU's are no help");
        assert_eq!(refused(&[(1, "c", 5)]).len(), 1, "what comes in has room");
    }
}
