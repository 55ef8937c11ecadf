//! The ledger of a load: every order that was acknowledged, and where. Proves that the log has it.

use std::collections::HashMap;
use std::io::BufRead;

use anyhow::Context;
use events_schema::{Event, OrderId, Topic};
use serde::Deserialize;

use super::story::Place;
use crate::exit::Usage;

#[derive(Deserialize)]
struct Entry {
    order_id: Option<OrderId>,
    position: Option<String>,
    cancel_position: Option<String>,
    /// A ledger of acknowledged orders only may leave it out.
    status: Option<u16>,
}

/// The acknowledged orders and cancellations that the log has not shown yet.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// How many there were at first.
    pub(super) acknowledged: usize,
    open: HashMap<Place, OrderId>,
}

impl Ledger {
    /// Reads JSON lines; what was not acknowledged promises nothing.
    pub(super) fn read(lines: impl BufRead) -> anyhow::Result<Self> {
        let mut ledger = Self::default();
        for (number, line) in (1..).zip(lines.lines()) {
            let line = line.context("could not read the ledger")?;
            if line.trim().is_empty() {
                continue;
            }
            ledger.enter(&line).ok_or_else(|| {
                Usage(format!("line {number} of the ledger names no order and position"))
            })?;
        }
        Ok(ledger)
    }

    fn enter(&mut self, line: &str) -> Option<()> {
        let entry: Entry = serde_json::from_str(line).ok()?;
        if entry.status.is_none_or(|status| status == 202) {
            let order_id = entry.order_id?;
            self.open.insert(place(&entry.position?)?, order_id);
            if let Some(cancelled) = entry.cancel_position {
                self.open.insert(place(&cancelled)?, order_id);
            }
            self.acknowledged = self.open.len();
        }
        Some(())
    }

    /// The log has this event there.
    pub(super) fn found(&mut self, place: Place, event: &Event) {
        let promised = self.open.get(&place);
        if promised.is_some_and(|order_id| event.subject() == order_id.to_string()) {
            self.open.remove(&place);
        }
    }

    /// What was acknowledged and is not there, in the order of the log.
    pub(super) fn missing(self) -> Vec<(Place, OrderId)> {
        let mut missing: Vec<_> = self.open.into_iter().collect();
        missing.sort_unstable();
        missing
    }
}

/// `orders:3@17`.
fn place(text: &str) -> Option<Place> {
    let (topic, rest) = text.split_once(':')?;
    let (partition, offset) = rest.split_once('@')?;
    let topic = Topic::ALL.into_iter().find(|known| known.name() == topic)?;
    Some(Place { topic, partition: partition.parse().ok()?, offset: offset.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{order, placed};

    fn line(n: u8, position: &str, status: u16) -> String {
        let order_id = order(n);
        format!(r#"{{"order_id":"{order_id}","position":"{position}","status":{status}}}"#)
    }

    #[test]
    fn an_acknowledged_order_that_the_log_lacks_is_missing() {
        let text = [line(1, "orders:3@17", 202), line(2, "orders:3@18", 202)].join("\n");
        let mut ledger = Ledger::read(text.as_bytes()).unwrap();
        let at = |offset| Place { topic: Topic::Orders, partition: 3, offset };
        ledger.found(at(17), &placed(1).into());
        ledger.found(at(18), &placed(3).into());
        assert_eq!(ledger.acknowledged, 2);
        assert_eq!(ledger.missing(), [(at(18), order(2))]);
    }

    #[test]
    fn a_cancellation_is_a_promise_of_its_own() {
        let position = r#""position":"orders:3@17","cancel_position":"orders:3@20""#;
        let text = format!(r#"{{"order_id":"{}",{position}}}"#, order(1));
        let mut ledger = Ledger::read(text.as_bytes()).unwrap();
        ledger.found(Place { topic: Topic::Orders, partition: 3, offset: 17 }, &placed(1).into());
        let missing = Place { topic: Topic::Orders, partition: 3, offset: 20 };
        assert_eq!(ledger.missing(), [(missing, order(1))]);
    }

    #[test]
    fn what_was_not_acknowledged_promises_nothing() {
        let ledger = Ledger::read(r#"{"status":503}"#.as_bytes()).unwrap();
        assert_eq!((ledger.acknowledged, ledger.missing()), (0, vec![]));
    }

    #[test]
    fn a_line_without_a_position_is_a_usage_error() {
        for wrong in [line(1, "orders:3", 202), "nonsense".into(), line(1, "other:3@1", 202)] {
            assert!(Ledger::read(wrong.as_bytes()).unwrap_err().is::<Usage>(), "{wrong}");
        }
    }
}
