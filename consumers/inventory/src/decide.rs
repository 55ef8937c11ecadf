//! What a batch of events does to stock and orders. Pure: knows neither database nor clock.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use events_schema::{
    Event, EventId, OrderCancelRequested, OrderId, OrderLine, OrderPlaced, ProductDelisted,
    ProductUpserted, Shortage, Sku, StockLine, StockReceived, Timestamp,
};
use runtime::{Batch, Decision, Delivered, FollowUp, Refusal, Rejection, Source};

use crate::order::{Order, Place, Placed, Status};

mod facts;
mod follow_up;
mod reach;

pub use reach::{releasable, touched};

/// What is known before the batch of everything that the batch is about.
#[derive(Debug, Clone, Default)]
pub struct State {
    pub orders: HashMap<OrderId, Order>,
    /// What confirmed orders hold, of those that the batch may let go.
    pub reserved: HashMap<OrderId, Vec<StockLine>>,
    /// Units on the shelf; a SKU that is not here has none.
    pub available: BTreeMap<Sku, i64>,
    /// Stock records of the batch that are counted already.
    pub receipts: HashSet<EventId>,
}

/// What is to be written: at most one per row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// The row as it is now; the lines only where this batch brought them.
    Order {
        order: Order,
        lines: Vec<OrderLine>,
    },
    /// So many units more, or fewer: never more than were read.
    Stock {
        sku: Sku,
        delta: i64,
    },
    Receipt(StockReceived),
    /// A stock record that changes nothing, for its sender to see.
    Refused(Refused),
    Product(ProductUpserted),
    /// The product is described no more; its stock stays.
    Delisted(Sku),
    /// A request without effect that contradicts the order it names.
    Conflict {
        place: Place,
        order_id: OrderId,
        cause: &'static str,
        at: Timestamp,
    },
}

/// A stock record that a rule of the domain does not allow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    pub place: Place,
    pub event: StockReceived,
    /// Units on the shelf at that moment.
    pub available: i64,
    pub cause: &'static str,
    pub at: Timestamp,
}

/// The same order id with another content: the first one wins.
pub const DIFFERENT_CONTENT: &str = "different-content";
/// Somebody else's order: it has no effect there.
pub const OTHER_CUSTOMER: &str = "other-customer";
/// More would leave the shelf than there is.
pub const STOCK_BELOW_ZERO: &str = "stock-below-zero";
/// More would be on the shelf than can be counted.
pub const STOCK_BEYOND_RANGE: &str = "stock-beyond-range";
/// One order asks for more of a SKU than an event can say.
pub const QUANTITY_BEYOND_RANGE: &str = "quantity-beyond-range";

/// Decides every record, in order, against one state.
pub fn decide(state: State, batch: &Batch<'_>) -> Decision<Change> {
    let mut desk = Desk { state, at: batch.decided_at, ..Desk::default() };
    for record in &batch.records {
        desk.take(record);
    }
    desk.close()
}

/// What a record is.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Applied,
    Duplicate,
    Refused { cause: &'static str },
    Rejected { cause: &'static str, detail: String },
}

/// The state while a batch is being decided, and what has changed so far.
#[derive(Default)]
struct Desk {
    state: State,
    at: Timestamp,
    changed: BTreeSet<OrderId>,
    lines: HashMap<OrderId, Vec<OrderLine>>,
    moved: BTreeMap<Sku, i64>,
    /// Without a description where it was taken back last.
    products: BTreeMap<Sku, Option<ProductUpserted>>,
    receipts: Vec<StockReceived>,
    decision: Decision<Change>,
}

impl Desk {
    fn take(&mut self, record: &Delivered<'_>) {
        let source = record.source;
        let verdict = match &*record.event {
            Event::OrderPlaced(event) => self.placed(source, event),
            Event::OrderCancelRequested(event) => self.cancel_requested(source, event),
            Event::OrderConfirmed(event) => self.was_confirmed(source, event),
            Event::OrderRejected(event) => self.was_rejected(source, event),
            Event::OrderCancelled(event) => self.was_cancelled(source, event),
            Event::ProductUpserted(event) => self.upserted(event),
            Event::ProductDelisted(event) => self.delisted(event),
            Event::StockReceived(event) => self.received(source, event),
        };
        match verdict {
            Verdict::Applied => {}
            Verdict::Duplicate => self.decision.duplicates.push(source),
            Verdict::Refused { cause } => self.decision.refusals.push(Refusal { source, cause }),
            Verdict::Rejected { cause, detail } => {
                self.decision.rejections.push(Rejection { source, cause, detail });
            }
        }
    }

    fn placed(&mut self, source: Source, event: &OrderPlaced) -> Verdict {
        let known = self.state.orders.get(&event.order_id);
        if let Some(known) = known.filter(|known| !reach::is_to_be_decided(known, event)) {
            let same = known.placed.is_none_or(|first| first.fingerprint == event.fingerprint);
            if known.customer_id != event.customer_id {
                self.conflict(source, event.order_id, OTHER_CUSTOMER);
            } else if !same {
                self.conflict(source, event.order_id, DIFFERENT_CONTENT);
            }
            return Verdict::Duplicate;
        }
        let Some(wanted) = per_sku(&event.lines) else {
            let detail = format!("order {} asks for too many units of one SKU", event.order_id);
            return Verdict::Rejected { cause: QUANTITY_BEYOND_RANGE, detail };
        };
        let shortages = self.shortages(&wanted);
        let status = if shortages.is_empty() { Status::Confirmed } else { Status::Rejected };
        let mut order = Order::new(source, event.order_id, &event.customer_id, status);
        order.placed = Some(Placed::from(event));
        order.decided_at = Some(self.at);
        order.shortages = shortages;
        if status == Status::Confirmed {
            self.reserve(event.order_id, wanted);
        }
        self.follow_up(source, follow_up::outcome(&order, self.held(event.order_id)));
        self.lines.insert(event.order_id, event.lines.clone());
        self.write(order)
    }

    fn cancel_requested(&mut self, source: Source, event: &OrderCancelRequested) -> Verdict {
        let known = self.state.orders.get(&event.order_id);
        let mut order = match known {
            None => Order::new(source, event.order_id, &event.customer_id, Status::Cancelled),
            Some(known) if known.customer_id != event.customer_id => {
                self.conflict(source, event.order_id, OTHER_CUSTOMER);
                return Verdict::Duplicate;
            }
            Some(known) if known.status != Status::Confirmed => return Verdict::Duplicate,
            Some(known) => known.clone(),
        };
        order.status = Status::Cancelled;
        order.cancelled_at = Some(self.at);
        let released = self.release(event.order_id);
        self.follow_up(source, follow_up::cancelled(&order, released));
        self.write(order)
    }

    fn upserted(&mut self, event: &ProductUpserted) -> Verdict {
        self.products.insert(event.sku.clone(), Some(event.clone()));
        Verdict::Applied
    }

    fn delisted(&mut self, event: &ProductDelisted) -> Verdict {
        self.products.insert(event.sku.clone(), None);
        Verdict::Applied
    }

    /// Once refused, a record stays refused, whatever is received later: its repetition is one.
    fn received(&mut self, source: Source, event: &StockReceived) -> Verdict {
        if !self.state.receipts.insert(event.event_id) {
            return Verdict::Duplicate;
        }
        let delta = i64::from(event.delta.get());
        let available = self.available(&event.sku);
        let left = available.checked_add(delta);
        let cause = match left {
            Some(0..) => None,
            Some(_) => Some(STOCK_BELOW_ZERO),
            None => Some(STOCK_BEYOND_RANGE),
        };
        if let Some(cause) = cause {
            let (place, event, at) = (source.into(), event.clone(), self.at);
            let refused = Refused { place, event, available, cause, at };
            self.decision.changes.push(Change::Refused(refused));
            return Verdict::Refused { cause };
        }
        self.shift(&event.sku, delta);
        self.receipts.push(event.clone());
        Verdict::Applied
    }

    fn close(mut self) -> Decision<Change> {
        let mut changes = Vec::new();
        for order_id in self.changed {
            let lines = self.lines.remove(&order_id).unwrap_or_default();
            let order = self.state.orders.remove(&order_id);
            changes.extend(order.map(|order| Change::Order { order, lines }));
        }
        let moved = self.moved.into_iter().filter(|(_, delta)| *delta != 0);
        changes.extend(moved.map(|(sku, delta)| Change::Stock { sku, delta }));
        changes.extend(self.receipts.into_iter().map(Change::Receipt));
        let product = |(sku, product): (Sku, Option<ProductUpserted>)| {
            product.map_or(Change::Delisted(sku), Change::Product)
        };
        changes.extend(self.products.into_iter().map(product));
        self.decision.changes.append(&mut changes);
        self.decision
    }
}

/// The pieces that the verdicts are made of.
impl Desk {
    fn write(&mut self, order: Order) -> Verdict {
        self.changed.insert(order.order_id);
        self.state.orders.insert(order.order_id, order);
        Verdict::Applied
    }

    fn follow_up(&mut self, cause: Source, event: Event) {
        self.decision.follow_ups.push(FollowUp { cause, event });
    }

    fn conflict(&mut self, source: Source, order_id: OrderId, cause: &'static str) {
        let conflict = Change::Conflict { place: source.into(), order_id, cause, at: self.at };
        self.decision.changes.push(conflict);
    }

    fn available(&self, sku: &Sku) -> i64 {
        self.state.available.get(sku).copied().unwrap_or_default()
    }

    /// Every SKU of which there is less than is wanted.
    fn shortages(&self, wanted: &[StockLine]) -> Vec<Shortage> {
        let shortage = |line: &StockLine| {
            // Less than an i32 where it matters.
            let available = i32::try_from(self.available(&line.sku)).unwrap_or(i32::MAX);
            let short = available < line.quantity;
            short.then(|| Shortage { sku: line.sku.clone(), requested: line.quantity, available })
        };
        wanted.iter().filter_map(shortage).collect()
    }

    fn shift(&mut self, sku: &Sku, delta: i64) {
        *self.state.available.entry(sku.clone()).or_default() += delta;
        *self.moved.entry(sku.clone()).or_default() += delta;
    }

    fn reserve(&mut self, order_id: OrderId, stock: Vec<StockLine>) {
        for line in &stock {
            self.shift(&line.sku, -i64::from(line.quantity));
        }
        self.state.reserved.insert(order_id, stock);
    }

    fn held(&self, order_id: OrderId) -> Vec<StockLine> {
        self.state.reserved.get(&order_id).cloned().unwrap_or_default()
    }

    /// Puts back what the order holds, if anything.
    fn release(&mut self, order_id: OrderId) -> Vec<StockLine> {
        let held = self.state.reserved.remove(&order_id).unwrap_or_default();
        for line in &held {
            self.shift(&line.sku, i64::from(line.quantity));
        }
        held
    }
}

/// The sum over an order's lines, in SKU order; `None` where a sum is beyond what an event can say.
fn per_sku(lines: &[OrderLine]) -> Option<Vec<StockLine>> {
    let mut sums = BTreeMap::<&Sku, i32>::new();
    for line in lines {
        let sum = sums.entry(&line.sku).or_default();
        *sum = sum.checked_add(line.quantity.get())?;
    }
    Some(sums.into_iter().map(|(sku, quantity)| StockLine { sku: sku.clone(), quantity }).collect())
}
