//! The ledger of a load: every order that was acknowledged, and where. Proves that the log has it.

use std::collections::BTreeSet;
use std::io::BufRead;

use events_schema::{Event, EventType, OrderId, RecordPosition};
use serde::Deserialize;

use crate::ledger::each_line;

#[derive(Deserialize)]
struct Entry {
    order_id: Option<OrderId>,
    position: Option<String>,
    cancel_position: Option<String>,
    /// A ledger of acknowledged orders only may leave it out.
    status: Option<u16>,
}

/// What was acknowledged: that this event of this order stands there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Promise {
    pub(super) place: RecordPosition,
    pub(super) order_id: OrderId,
    pub(super) kind: EventType,
}

/// The acknowledged orders and cancellations that the log has not shown yet.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// How many there were at first.
    pub(super) acknowledged: usize,
    open: BTreeSet<Promise>,
}

impl Ledger {
    /// Reads its lines; what was not acknowledged promises nothing.
    pub(super) fn read(lines: impl BufRead) -> anyhow::Result<Self> {
        let mut ledger = Self::default();
        each_line(lines, |line| ledger.enter(line))?;
        ledger.acknowledged = ledger.open.len();
        Ok(ledger)
    }

    fn enter(&mut self, line: &[u8]) -> Option<()> {
        let entry: Entry = serde_json::from_slice(line).ok()?;
        if entry.status.is_none_or(|status| status == 202) {
            let order_id = entry.order_id?;
            let (position, kind) = (entry.position?.parse().ok()?, EventType::OrderPlaced);
            self.open.insert(Promise { place: position, order_id, kind });
            if let Some(cancelled) = entry.cancel_position {
                let (position, kind) = (cancelled.parse().ok()?, EventType::OrderCancelRequested);
                self.open.insert(Promise { place: position, order_id, kind });
            }
        }
        Some(())
    }

    /// The log has this event there.
    pub(super) fn found(&mut self, place: RecordPosition, event: &Event) {
        let Some(order_id) = event.order_id() else { return };
        self.open.remove(&Promise { place, order_id, kind: event.event_type() });
    }

    /// What was acknowledged and is not there, in the order of the log.
    pub(super) fn missing(self) -> impl ExactSizeIterator<Item = Promise> {
        self.open.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use events_schema::Topic;

    use super::*;
    use crate::exit::Usage;
    use crate::testing::{confirmed, order, placed};

    fn line(n: u8, position: &str, status: u16) -> String {
        let order_id = order(n);
        format!(r#"{{"order_id":"{order_id}","position":"{position}","status":{status}}}"#)
    }

    #[test]
    fn an_acknowledged_order_that_the_log_lacks_is_missing() {
        let text = [line(1, "orders:3@17", 202), line(2, "orders:3@18", 202)].join("\n");
        let mut ledger = Ledger::read(text.as_bytes()).unwrap();
        let at = |offset| RecordPosition { topic: Topic::Orders, partition: 3, offset };
        ledger.found(at(17), &placed(1).into());
        ledger.found(at(18), &placed(3).into());
        assert_eq!(ledger.acknowledged, 2);
        assert_eq!(missing(ledger), [(at(18), order(2), EventType::OrderPlaced)]);
    }

    #[test]
    fn two_orders_acknowledged_at_one_place_are_two_promises() {
        let text = [line(1, "orders:3@17", 202), line(2, "orders:3@17", 202)].join("\n");
        let mut ledger = Ledger::read(text.as_bytes()).unwrap();
        let at = RecordPosition { topic: Topic::Orders, partition: 3, offset: 17 };
        ledger.found(at, &placed(2).into());
        assert_eq!(ledger.acknowledged, 2);
        assert_eq!(missing(ledger), [(at, order(1), EventType::OrderPlaced)]);
    }

    #[test]
    fn another_event_of_the_order_does_not_keep_the_promise() {
        let position = r#""position":"orders:3@17","cancel_position":"orders:3@18""#;
        let text = format!(r#"{{"order_id":"{}",{position}}}"#, order(1));
        let mut ledger = Ledger::read(text.as_bytes()).unwrap();
        let at = |offset| RecordPosition { topic: Topic::Orders, partition: 3, offset };
        ledger.found(at(17), &confirmed(1).into());
        ledger.found(at(18), &placed(1).into());
        assert_eq!(ledger.missing().len(), 2);
    }

    #[test]
    fn half_a_line_is_passed_over_at_the_end_only() {
        let (whole, half) = (line(1, "orders:3@17", 202), r#"{"order_id":"0000"#);
        let ledger = Ledger::read(format!("{whole}\n{half}").as_bytes()).unwrap();
        assert_eq!(ledger.acknowledged, 1);
        let within = Ledger::read(format!("{half}\n{whole}\n").as_bytes());
        assert!(within.unwrap_err().is::<Usage>());
    }

    fn missing(ledger: Ledger) -> Vec<(RecordPosition, OrderId, EventType)> {
        ledger.missing().map(|promise| (promise.place, promise.order_id, promise.kind)).collect()
    }

    #[test]
    fn a_cancellation_is_a_promise_of_its_own() {
        let position = r#""position":"orders:3@17","cancel_position":"orders:3@20""#;
        let text = format!(r#"{{"order_id":"{}",{position}}}"#, order(1));
        let mut ledger = Ledger::read(text.as_bytes()).unwrap();
        ledger.found(
            RecordPosition { topic: Topic::Orders, partition: 3, offset: 17 },
            &placed(1).into(),
        );
        let at = RecordPosition { topic: Topic::Orders, partition: 3, offset: 20 };
        assert_eq!(missing(ledger), [(at, order(1), EventType::OrderCancelRequested)]);
    }

    #[test]
    fn what_was_not_acknowledged_promises_nothing() {
        let ledger = Ledger::read(r#"{"status":503}"#.as_bytes()).unwrap();
        assert_eq!((ledger.acknowledged, ledger.missing().len()), (0, 0));
    }

    #[test]
    fn a_line_without_a_position_is_a_usage_error() {
        for wrong in [line(1, "orders:3", 202), "nonsense".into(), line(1, "other:3@1", 202)] {
            assert!(Ledger::read(wrong.as_bytes()).unwrap_err().is::<Usage>(), "{wrong}");
        }
    }
}
