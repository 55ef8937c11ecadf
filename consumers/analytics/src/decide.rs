//! What a batch changes: the facts of its orders, and with them the totals. Does no I/O.

use std::collections::BTreeMap;

use events_schema::{
    Currency, CustomerId, Event, EventType, MoneyMinor, OrderId, OrderLine, OrderPlaced, Sku,
    Timestamp,
};
use runtime::{Batch, Decision, Delivered, Rejection};

use crate::totals::Totals;

/// Names a row of `orders`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OrderKey {
    /// Which order.
    pub order_id: OrderId,
    /// Who says so.
    pub customer_id: CustomerId,
}

/// What is known of an order. A time is set once: the event that sets it again is a duplicate.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Order {
    /// What was placed, once it was.
    pub placed: Option<Placed>,
    /// When its cancellation was asked for.
    pub cancel_requested_at: Option<Timestamp>,
    /// When inventory confirmed it.
    pub confirmed_at: Option<Timestamp>,
    /// When inventory rejected it.
    pub rejected_at: Option<Timestamp>,
    /// When inventory cancelled it.
    pub cancelled_at: Option<Timestamp>,
}

/// An order as it was placed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// When.
    pub at: Timestamp,
    /// Of its amounts.
    pub currency: Currency,
    /// The sum of its lines.
    pub total_minor: i64,
    /// Units over its lines.
    pub units: i64,
    /// Loaded only where the batch may book or take back a sale; else empty.
    pub lines: Vec<Line>,
}

/// A line of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// What.
    pub sku: Sku,
    /// How many.
    pub quantity: i32,
    /// At what price.
    pub unit_price_minor: i64,
}

/// What the catalogue says of a SKU.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Product {
    /// Its name.
    pub name: String,
    /// Its department.
    pub department: String,
}

/// The rows of the batch's orders, as far as there are any.
#[derive(Debug, Default)]
pub struct State {
    /// By key.
    pub orders: BTreeMap<OrderKey, Order>,
}

/// What a batch writes.
#[derive(Debug, Default)]
pub struct Changes {
    /// The last word on each product of the batch.
    pub products: BTreeMap<Sku, Product>,
    /// The orders that changed.
    pub orders: BTreeMap<OrderKey, Tracked>,
    /// What is to be added to the totals.
    pub totals: Totals,
}

/// An order while a batch is decided.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Tracked {
    /// As it stands after the batch.
    pub order: Order,
    /// Whether it has a row.
    pub is_stored: bool,
    /// Whether the batch placed it, so that its lines are to be written.
    pub is_placed_now: bool,
    is_changed: bool,
}

/// The only reason to reject a record.
const TOTAL_MISMATCH: &str = "total-mismatch";

/// Decides the batch.
pub fn decide(state: State, batch: &Batch<'_>) -> Decision<Changes> {
    let mut decision = Decision::default();
    let mut changes = Changes::new(state);
    for record in &batch.records {
        match changes.take(record) {
            Outcome::Applied => {}
            Outcome::Duplicate => decision.duplicates.push(record.source),
            Outcome::Rejected(rejection) => decision.rejections.push(rejection),
        }
    }
    decision.changes.extend(changes.finish());
    decision
}

enum Outcome {
    Applied,
    Duplicate,
    Rejected(Rejection),
}

impl Changes {
    fn new(state: State) -> Self {
        let track = |order| Tracked { order, is_stored: true, ..Tracked::default() };
        let orders = state.orders.into_iter().map(|(key, order)| (key, track(order))).collect();
        Self { orders, ..Self::default() }
    }

    fn take(&mut self, record: &Delivered<'_>) -> Outcome {
        if let Event::ProductUpserted(event) = &*record.event {
            let (name, department) = (event.name.as_str().into(), event.department.as_str().into());
            self.products.insert(event.sku.clone(), Product { name, department });
        }
        match order_of(&record.event) {
            Some(key) => self.take_fact(key, record),
            None => Outcome::Applied,
        }
    }

    /// An order's share in the totals is taken out before its first change and put in after its
    /// last, so that what a batch adds does not depend on how the log was cut into batches.
    fn take_fact(&mut self, key: OrderKey, record: &Delivered<'_>) -> Outcome {
        if let Some(rejection) = broken_invariant(record) {
            return Outcome::Rejected(rejection);
        }
        let tracked = self.orders.entry(key.clone()).or_default();
        if tracked.order.knows(record.event.event_type()) {
            return Outcome::Duplicate;
        }
        if !tracked.is_changed {
            self.totals.subtract(&key, &tracked.order);
        }
        tracked.is_changed = true;
        tracked.is_placed_now |= matches!(*record.event, Event::OrderPlaced(_));
        tracked.order.learn(&record.event);
        Outcome::Applied
    }

    fn finish(mut self) -> Option<Self> {
        self.orders.retain(|_, tracked| tracked.is_changed);
        for (key, tracked) in &self.orders {
            self.totals.add(key, &tracked.order);
        }
        self.totals = self.totals.without_zeros();
        let is_empty = self.orders.is_empty() && self.products.is_empty();
        (!is_empty).then_some(self)
    }
}

/// Which order an event speaks of, if of any.
pub(crate) fn order_of(event: &Event) -> Option<OrderKey> {
    let (order_id, customer_id) = event.order_id().zip(event.customer_id())?;
    Some(OrderKey { order_id, customer_id: customer_id.clone() })
}

/// Revenue is counted by customer from the total and by hour from the lines: they must agree.
fn broken_invariant(record: &Delivered<'_>) -> Option<Rejection> {
    let Event::OrderPlaced(event) = &*record.event else { return None };
    let sum = sum_of(&event.lines);
    (sum != Some(event.total_minor)).then(|| Rejection {
        source: record.source,
        cause: TOTAL_MISMATCH,
        detail: format!(
            "the total is {} and the lines give {}",
            event.total_minor.get(),
            sum.map_or("more than fits".to_owned(), |sum| sum.get().to_string())
        ),
    })
}

fn sum_of(lines: &[OrderLine]) -> Option<MoneyMinor> {
    let mut prices = lines.iter().map(|line| line.unit_price_minor.times(line.quantity));
    prices.try_fold(MoneyMinor::ZERO, |sum, price| sum.plus(price?))
}

impl Order {
    /// Confirmed and not cancelled since.
    pub fn is_sold(&self) -> bool {
        self.confirmed_at.is_some() && self.cancelled_at.is_none()
    }

    fn knows(&self, event_type: EventType) -> bool {
        match event_type {
            EventType::OrderPlaced => self.placed.is_some(),
            EventType::OrderCancelRequested => self.cancel_requested_at.is_some(),
            EventType::OrderConfirmed => self.confirmed_at.is_some(),
            EventType::OrderRejected => self.rejected_at.is_some(),
            EventType::OrderCancelled => self.cancelled_at.is_some(),
            EventType::ProductUpserted | EventType::ProductDelisted | EventType::StockReceived => {
                false
            }
        }
    }

    fn learn(&mut self, event: &Event) {
        match event {
            Event::OrderPlaced(event) => self.placed = Some(Placed::from(event)),
            Event::OrderCancelRequested(event) => {
                self.cancel_requested_at = Some(event.requested_at);
            }
            Event::OrderConfirmed(event) => self.confirmed_at = Some(event.confirmed_at),
            Event::OrderRejected(event) => self.rejected_at = Some(event.rejected_at),
            Event::OrderCancelled(event) => self.cancelled_at = Some(event.cancelled_at),
            Event::ProductUpserted(_) | Event::ProductDelisted(_) | Event::StockReceived(_) => {}
        }
    }
}

impl From<&OrderPlaced> for Placed {
    fn from(event: &OrderPlaced) -> Self {
        let line = |line: &OrderLine| Line {
            sku: line.sku.clone(),
            quantity: line.quantity.get(),
            unit_price_minor: line.unit_price_minor.get(),
        };
        Self {
            at: event.placed_at,
            currency: event.currency,
            total_minor: event.total_minor.get(),
            units: event.lines.iter().map(|line| i64::from(line.quantity.get())).sum(),
            lines: event.lines.iter().map(line).collect(),
        }
    }
}

impl Line {
    /// Of all its units.
    pub(crate) fn price(&self) -> i128 {
        i128::from(self.quantity) * i128::from(self.unit_price_minor)
    }
}
