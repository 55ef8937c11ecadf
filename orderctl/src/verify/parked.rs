//! Whether the log justifies what a projection has parked: the record stands there, byte for byte,
//! and there is a reason to park it. Decides nothing that the log does not say.

use std::collections::{BTreeMap, HashMap, HashSet};

use events_schema::{Event, OrderPlaced, RecordPosition, Sku, StockReceived, Topic};

use super::compare::Difference;
use super::inventory;
use super::projection::Projection;
use super::record::LogRecord;
use super::story::View;

/// A row of `parked`.
#[derive(Debug, Clone, Default)]
pub(super) struct Parked {
    /// Rows are numbered as they were parked.
    pub(super) id: i64,
    pub(super) cause: String,
    pub(super) state: State,
    /// It was redriven in vain: what was so then, the log does not say.
    pub(super) tried_again: bool,
    pub(super) key: Option<Vec<u8>>,
    pub(super) payload: Option<Vec<u8>>,
}

/// What is to become of a parked row. In each of them its record is left out of the fold.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum State {
    #[default]
    Parked,
    Quarantined,
    Discarded,
}

impl State {
    pub(super) fn named(name: &str) -> Self {
        match name {
            "quarantined" => Self::Quarantined,
            "discarded" => Self::Discarded,
            _ => Self::Parked,
        }
    }
}

/// The words that consumers give for what is no fault of the record's bytes.
const BLOCKED: &str = "blocked";
const REFUSED_BY_DATABASE: &str = "refused-by-database";
const STOCK_BELOW_ZERO: &str = "stock-below-zero";
const QUANTITY_BEYOND_RANGE: &str = "quantity-beyond-range";
const TOTAL_MISMATCH: &str = "total-mismatch";

/// What was found of a projection's parked rows.
#[derive(Debug, Default)]
pub(super) struct Judged {
    pub(super) unjustified: Vec<Difference>,
    /// Only the database can say why: taken on its word.
    pub(super) unproven: usize,
    /// Compaction took the record out of the log.
    pub(super) lost: usize,
}

/// Judges every parked row.
pub(super) fn judge(projection: Projection, view: View<'_>) -> Judged {
    let court = Court {
        projection,
        view,
        heads: heads(view),
        stock: stock(view),
        reserved: reserved(view),
    };
    let mut judged = Judged::default();
    for (place, row) in &view.stand.parked {
        match court.objection(*place, row) {
            Ok(Grounds::Proven) => {}
            Ok(Grounds::Unproven) => judged.unproven += 1,
            Ok(Grounds::Lost) => judged.lost += 1,
            Err(what) => {
                judged.unjustified.push(Difference::invariant("parked", place, what.to_owned()));
            }
        }
    }
    let stray = |topic| Difference::invariant("parked", topic, "it reads no such topic".to_owned());
    judged.unjustified.extend(view.stand.strays.iter().map(stray));
    judged
}

enum Grounds {
    Proven,
    Unproven,
    Lost,
}

struct Court<'a> {
    projection: Projection,
    view: View<'a>,
    heads: HashMap<(Topic, &'a str), i64>,
    /// The stock records of each SKU, where a write-off is to be judged.
    stock: HashMap<&'a Sku, Vec<&'a (RecordPosition, StockReceived)>>,
    /// Units of a SKU that were ever reserved.
    reserved: BTreeMap<Sku, i64>,
}

/// The first row of each subject that later records wait behind: parked still, or gone.
fn heads<'a>(view: View<'a>) -> HashMap<(Topic, &'a str), i64> {
    let gone = view.stand.gone_before.iter();
    let mut heads: HashMap<_, _> =
        gone.map(|((topic, subject), id)| ((*topic, subject.as_str()), *id)).collect();
    for (place, row) in &view.stand.parked {
        let record = view.story.parked.get(place);
        let subject = record.and_then(|record| record.subject.as_deref());
        // A sum needs no order: behind a write-off, which builds of today refuse and do not
        // park, nothing waited. One that was redriven in vain may
        // have been parked for another cause before.
        let is_write_off = row.cause == STOCK_BELOW_ZERO && place.topic == Topic::Stock;
        let is_write_off = is_write_off && !row.tried_again;
        if let Some(subject) = subject.filter(|_| !is_write_off) {
            let head = heads.entry((place.topic, subject)).or_insert(row.id);
            *head = row.id.min(*head);
        }
    }
    heads
}

fn has_write_off(view: View<'_>) -> bool {
    view.stand.parked.values().any(|row| row.cause == STOCK_BELOW_ZERO)
}

fn stock<'a>(view: View<'a>) -> HashMap<&'a Sku, Vec<&'a (RecordPosition, StockReceived)>> {
    let mut by_sku = HashMap::<_, Vec<_>>::new();
    if !has_write_off(view) {
        return by_sku;
    }
    for told in &view.story.stock {
        by_sku.entry(&told.1.sku).or_default().push(told);
    }
    by_sku
}

fn reserved(view: View<'_>) -> BTreeMap<Sku, i64> {
    if has_write_off(view) { inventory::reserved(view) } else { BTreeMap::new() }
}

impl Court<'_> {
    fn objection(&self, place: RecordPosition, row: &Parked) -> Result<Grounds, &'static str> {
        if row.state == State::Discarded {
            // On an operator's word, which the audit keeps.
            return Ok(Grounds::Proven);
        }
        if !self.view.has_passed(place) {
            return Err("it is parked and stands behind the position");
        }
        let Some(record) = self.view.story.parked.get(&place) else {
            let partition = (place.topic, place.partition);
            let is_compacted = self.view.story.compacted.contains(&partition);
            return is_compacted.then_some(Grounds::Lost).ok_or("it is parked and not in the log");
        };
        if (&record.key, &record.payload) != (&row.key, &row.payload) {
            return Err("its bytes in the log are others than those that are parked");
        }
        let was_below_zero = row.cause == STOCK_BELOW_ZERO && row.tried_again;
        if row.cause == REFUSED_BY_DATABASE || was_below_zero {
            return Ok(Grounds::Unproven);
        }
        let justified = match row.cause.as_str() {
            BLOCKED => self.waits(place, row, record),
            cause => self.is_unreadable(place) || self.breaks_rule(cause, place, record),
        };
        justified.then_some(Grounds::Proven).ok_or("nothing in the log justifies that it is parked")
    }

    /// Behind an earlier parked record of its subject.
    fn waits(&self, place: RecordPosition, row: &Parked, record: &LogRecord) -> bool {
        let subject = record.subject.as_deref();
        let head = subject.and_then(|subject| self.heads.get(&(place.topic, subject)));
        head.is_some_and(|head| *head < row.id)
    }

    fn is_unreadable(&self, place: RecordPosition) -> bool {
        let unreadable = self.view.story.unreadable.get(&place);
        unreadable.is_some_and(|record| record.concerns(self.projection, place.topic))
    }

    fn breaks_rule(&self, cause: &str, place: RecordPosition, record: &LogRecord) -> bool {
        match (self.projection, cause, &record.event) {
            (Projection::Inventory, STOCK_BELOW_ZERO, Some(Event::StockReceived(event))) => {
                self.may_be_too_much(place, event)
            }
            // Only after the tables were restored from a copy: the log does not say what was there.
            (Projection::Inventory, STOCK_BELOW_ZERO, Some(Event::OrderConfirmed(_))) => true,
            (Projection::Inventory, QUANTITY_BEYOND_RANGE, Some(Event::OrderPlaced(event))) => {
                is_beyond_range(event)
            }
            (Projection::Analytics, TOTAL_MISMATCH, Some(Event::OrderPlaced(event))) => {
                is_mismatch(event)
            }
            _ => false,
        }
    }

    /// Whether a write-off can have met less than it takes. The log does not say when orders were
    /// decided between two stock records: at worst all of them before.
    fn may_be_too_much(&self, place: RecordPosition, event: &StockReceived) -> bool {
        let mut known = HashSet::new();
        let of_sku = self.stock.get(&event.sku).into_iter().flatten();
        let earlier = of_sku.filter(|(at, _)| {
            let is_before = at.partition == place.partition && at.offset < place.offset;
            is_before && self.view.has_seen(*at)
        });
        let received = earlier.filter(|(_, other)| known.insert(other.event_id));
        let received: i64 = received.map(|(_, other)| i64::from(self.view.added(other))).sum();
        let reserved = self.reserved.get(&event.sku).copied().unwrap_or_default();
        received - reserved + i64::from(event.delta.get()) < 0
    }
}

fn is_beyond_range(event: &OrderPlaced) -> bool {
    let mut sums = BTreeMap::<&Sku, i64>::new();
    for line in &event.lines {
        *sums.entry(&line.sku).or_default() += i64::from(line.quantity.get());
    }
    sums.into_values().any(|sum| sum > i64::from(i32::MAX))
}

fn is_mismatch(event: &OrderPlaced) -> bool {
    let amount = |line: &events_schema::OrderLine| {
        i128::from(line.unit_price_minor.get()) * i128::from(line.quantity.get())
    };
    event.lines.iter().map(amount).sum::<i128>() != i128::from(event.total_minor.get())
}

#[cfg(test)]
#[path = "parked_tests.rs"]
mod tests;
