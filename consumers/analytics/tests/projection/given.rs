//! Events by hand, and a store in memory. Asserts nothing.

use std::collections::BTreeMap;

use analytics::{Analytics, CustomerTotals, Order, OrderKey, State, Totals};
use events_schema::{
    Currency, CustomerId, Event, EventId, EventType, MoneyMinor, OrderCancelRequested,
    OrderCancelled, OrderConfirmed, OrderId, OrderLine, OrderPlaced, OrderRejected,
    ProductUpserted, Quantity, Sku, Timestamp,
};
use runtime::{Batch, Decision, Projection, testing};
use uuid::Uuid;

pub(crate) const HOUR: i64 = 3_600_000_000;

pub(crate) fn at(micros: i64) -> Timestamp {
    Timestamp::from_micros(1_767_225_600_000_000 + micros)
}

pub(crate) fn id(order: u128) -> OrderId {
    OrderId::from(Uuid::from_u128(order))
}

/// Orders 0, 3, 6 … are of customer-0, 1, 4, 7 … of customer-1, and so on.
pub(crate) fn customer_of(order: u128) -> CustomerId {
    format!("customer-{}", order % 3).parse().unwrap()
}

fn event_id(order: u128, event_type: EventType) -> EventId {
    EventId::of_order(id(order), event_type)
}

pub(crate) fn line(sku: &str, quantity: i64, price: i64) -> OrderLine {
    OrderLine {
        sku: sku.parse().unwrap(),
        quantity: Quantity::try_from(quantity).unwrap(),
        unit_price_minor: MoneyMinor::try_from(price).unwrap(),
    }
}

pub(crate) fn placed(order: u128, when: i64, lines: &[OrderLine]) -> OrderPlaced {
    let price = |line: &OrderLine| line.unit_price_minor.times(line.quantity).unwrap().get();
    OrderPlaced {
        event_id: event_id(order, EventType::OrderPlaced),
        order_id: id(order),
        customer_id: customer_of(order),
        placed_at: at(when),
        currency: Currency::USD,
        total_minor: MoneyMinor::try_from(lines.iter().map(price).sum::<i64>()).unwrap(),
        lines: lines.to_vec(),
        locale: Default::default(),
        contact: None,
        fingerprint: 0,
    }
}

pub(crate) fn cancel_requested(order: u128, when: i64) -> Event {
    cancel_requested_by(customer_of(order), order, when)
}

pub(crate) fn cancel_requested_by(customer_id: CustomerId, order: u128, when: i64) -> Event {
    Event::from(OrderCancelRequested {
        event_id: event_id(order, EventType::OrderCancelRequested),
        order_id: id(order),
        customer_id,
        requested_at: at(when),
        reason: None,
    })
}

pub(crate) fn confirmed(order: u128, when: i64) -> Event {
    Event::from(OrderConfirmed {
        event_id: event_id(order, EventType::OrderConfirmed),
        order_id: id(order),
        customer_id: customer_of(order),
        confirmed_at: at(when),
        reserved: vec![],
    })
}

pub(crate) fn rejected(order: u128, when: i64) -> Event {
    Event::from(OrderRejected {
        event_id: event_id(order, EventType::OrderRejected),
        order_id: id(order),
        customer_id: customer_of(order),
        rejected_at: at(when),
        shortages: vec![],
    })
}

pub(crate) fn cancelled(order: u128, when: i64) -> Event {
    Event::from(OrderCancelled {
        event_id: event_id(order, EventType::OrderCancelled),
        order_id: id(order),
        customer_id: customer_of(order),
        cancelled_at: at(when),
        released: vec![],
    })
}

pub(crate) fn product(sku: &str, name: &str, department: &str) -> Event {
    Event::from(ProductUpserted {
        event_id: EventId::from(Uuid::from_u128(1)),
        sku: sku.parse::<Sku>().unwrap(),
        name: name.to_owned().try_into().unwrap(),
        department: department.to_owned().try_into().unwrap(),
        price_minor: MoneyMinor::ZERO,
        currency: Currency::USD,
        updated_at: at(0),
    })
}

/// What the tables would hold, without their database.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Store {
    pub(crate) orders: BTreeMap<OrderKey, Order>,
    pub(crate) totals: Totals,
}

impl Store {
    pub(crate) fn after(batches: impl IntoIterator<Item = Vec<Event>>) -> Self {
        let mut store = Self::default();
        for events in batches {
            store.apply(events);
        }
        store
    }

    pub(crate) fn apply(&mut self, events: Vec<Event>) -> Decision<analytics::Changes> {
        let batch: Batch = testing::batch(0, events);
        let state = State { orders: self.orders.clone() };
        let mut decision = Analytics::decide(state, &batch);
        for changes in &mut decision.changes {
            let orders = std::mem::take(&mut changes.orders);
            self.orders.extend(orders.into_iter().map(|(key, tracked)| (key, tracked.order)));
            self.add(std::mem::take(&mut changes.totals));
        }
        decision
    }

    /// As the statements of the store do it.
    fn add(&mut self, totals: Totals) {
        for (key, by) in totals.sales {
            let sales = self.totals.sales.entry(key.clone()).or_default();
            sales.orders += by.orders;
            sales.units += by.units;
            sales.revenue_minor += by.revenue_minor;
            if sales.orders == 0 {
                self.totals.sales.remove(&key);
            }
        }
        for (key, by) in totals.funnel {
            let funnel = self.totals.funnel.entry(key).or_default();
            funnel.placed += by.placed;
            funnel.confirmed += by.confirmed;
            funnel.rejected += by.rejected;
            funnel.cancel_requested += by.cancel_requested;
            funnel.cancelled += by.cancelled;
        }
        for (key, by) in totals.customers {
            self.totals.customers.entry(key).and_modify(|old| add_customer(old, by)).or_insert(by);
        }
    }
}

fn add_customer(old: &mut CustomerTotals, by: CustomerTotals) {
    old.orders += by.orders;
    old.confirmed += by.confirmed;
    old.rejected += by.rejected;
    old.cancelled += by.cancelled;
    old.revenue_minor += by.revenue_minor;
    old.first_order_at = old.first_order_at.min(by.first_order_at);
    old.last_order_at = old.last_order_at.max(by.last_order_at);
}
