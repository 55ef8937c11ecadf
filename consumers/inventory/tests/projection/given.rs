//! Events in a few words, for the tests. Holds no expectation.

use events_schema::*;
use uuid::Uuid;

pub(crate) const ANN: &str = "ann";
pub(crate) const BOB: &str = "bob";

pub(crate) fn order_id(number: u128) -> OrderId {
    OrderId::from(Uuid::from_u128(number))
}

pub(crate) fn sku(text: &str) -> Sku {
    text.parse().unwrap()
}

pub(crate) fn at(micros: i64) -> Timestamp {
    Timestamp::from_micros(1_767_000_000_000_000 + micros)
}

pub(crate) fn units(of: &[(&str, i32)]) -> Vec<StockLine> {
    of.iter().map(|(name, quantity)| StockLine { sku: sku(name), quantity: *quantity }).collect()
}

pub(crate) fn short(name: &str, requested: i32, available: i32) -> Shortage {
    Shortage { sku: sku(name), requested, available }
}

pub(crate) fn place(number: u128, customer: &str, lines: &[(&str, i32)]) -> Event {
    let line = |(name, quantity): &(&str, i32)| OrderLine {
        sku: sku(name),
        quantity: Quantity::try_from(i64::from(*quantity)).unwrap(),
        unit_price_minor: MoneyMinor::try_from(250).unwrap(),
    };
    let order_id = order_id(number);
    OrderPlaced {
        event_id: EventId::of_order(order_id, EventType::OrderPlaced),
        order_id,
        customer_id: customer.parse().unwrap(),
        placed_at: at(0),
        currency: Currency::USD,
        total_minor: MoneyMinor::try_from(1_000).unwrap(),
        lines: lines.iter().map(line).collect(),
        locale: Locale::En,
        contact: None,
        fingerprint: lines.iter().map(|(_, quantity)| i64::from(*quantity)).sum(),
    }
    .into()
}

pub(crate) fn cancel(number: u128, customer: &str) -> Event {
    let order_id = order_id(number);
    OrderCancelRequested {
        event_id: EventId::of_order(order_id, EventType::OrderCancelRequested),
        order_id,
        customer_id: customer.parse().unwrap(),
        requested_at: at(1),
        reason: None,
    }
    .into()
}

pub(crate) fn confirmed(
    number: u128,
    customer: &str,
    time: Timestamp,
    of: &[(&str, i32)],
) -> Event {
    let order_id = order_id(number);
    OrderConfirmed {
        event_id: EventId::of_order(order_id, EventType::OrderConfirmed),
        order_id,
        customer_id: customer.parse().unwrap(),
        confirmed_at: time,
        reserved: units(of),
    }
    .into()
}

pub(crate) fn rejected(
    number: u128,
    customer: &str,
    time: Timestamp,
    shortages: &[Shortage],
) -> Event {
    let order_id = order_id(number);
    OrderRejected {
        event_id: EventId::of_order(order_id, EventType::OrderRejected),
        order_id,
        customer_id: customer.parse().unwrap(),
        rejected_at: time,
        shortages: shortages.to_vec(),
    }
    .into()
}

pub(crate) fn cancelled(
    number: u128,
    customer: &str,
    time: Timestamp,
    of: &[(&str, i32)],
) -> Event {
    let order_id = order_id(number);
    OrderCancelled {
        event_id: EventId::of_order(order_id, EventType::OrderCancelled),
        order_id,
        customer_id: customer.parse().unwrap(),
        cancelled_at: time,
        released: units(of),
    }
    .into()
}

/// The stock record of that number.
pub(crate) fn receive(number: u128, name: &str, delta: i64) -> Event {
    StockReceived {
        event_id: EventId::from(Uuid::from_u128(number)),
        sku: sku(name),
        delta: StockDelta::try_from(delta).unwrap(),
        received_at: at(0),
    }
    .into()
}

pub(crate) fn delisted(name: &str) -> Event {
    let event_id = EventId::from(Uuid::from_u128(10));
    ProductDelisted { event_id, sku: sku(name), delisted_at: at(1) }.into()
}

pub(crate) fn product(name: &str, price: i64) -> Event {
    ProductUpserted {
        event_id: EventId::from(Uuid::from_u128(9)),
        sku: sku(name),
        name: Text::try_from(format!("Product {name}")).unwrap(),
        department: Text::try_from("GROCERY".to_owned()).unwrap(),
        price_minor: MoneyMinor::try_from(price).unwrap(),
        currency: Currency::USD,
        updated_at: at(price),
    }
    .into()
}
