//! Events for the tests, by a small number that tells orders apart, and the runtime's tables.
//! Asserts nothing.

use events_schema::wire::{Encoder, SchemaId};
use events_schema::{
    Contact, Currency, EventId, EventType, MoneyMinor, OrderCancelRequested, OrderCancelled,
    OrderConfirmed, OrderId, OrderLine, OrderPlaced, OrderRejected, ProductUpserted, Shortage,
    StockLine, StockReceived, Timestamp,
};
use schema_registry::RegistryError;
use uuid::Uuid;

/// What makes the runtime's tables in a schema.
pub(crate) const RUNTIME: &str = concat!(
    include_str!("../../consumers/runtime/migrations/0001_positions.sql"),
    include_str!("../../consumers/runtime/migrations/0002_redrive.sql"),
    include_str!("../../consumers/runtime/migrations/0003_stopped.sql"),
    include_str!("../../consumers/runtime/migrations/0005_parked_subjects.sql"),
    include_str!("../../consumers/runtime/migrations/0008_bounded_counts.sql"),
);

/// 2026-01-01T00:00:00Z.
pub(crate) const START: i64 = 1_767_225_600_000_000;

pub(crate) fn order(n: u8) -> OrderId {
    Uuid::from_u128(u128::from(n)).into()
}

fn at(minutes: i64) -> Timestamp {
    Timestamp::from_micros(START + minutes * 60_000_000)
}

fn id(n: u8, event_type: EventType) -> EventId {
    EventId::of_order(order(n), event_type)
}

fn customer(n: u8) -> events_schema::CustomerId {
    format!("customer-{n}").parse().unwrap()
}

fn line(sku: &str, quantity: i64, unit_price_minor: i64) -> OrderLine {
    OrderLine {
        sku: sku.parse().unwrap(),
        quantity: quantity.try_into().unwrap(),
        unit_price_minor: unit_price_minor.try_into().unwrap(),
    }
}

/// Two of `a` at 100 and one of `b` at 50.
pub(crate) fn placed(n: u8) -> OrderPlaced {
    OrderPlaced {
        event_id: id(n, EventType::OrderPlaced),
        order_id: order(n),
        customer_id: customer(n),
        placed_at: at(i64::from(n)),
        currency: Currency::USD,
        total_minor: MoneyMinor::try_from(250).unwrap(),
        lines: vec![line("a", 2, 100), line("b", 1, 50)],
        locale: Default::default(),
        contact: Some(Contact {
            name: format!("Customer {n}").try_into().unwrap(),
            email: format!("customer-{n}@example.com").try_into().unwrap(),
        }),
        fingerprint: i64::from(n),
    }
}

fn stock_lines() -> Vec<StockLine> {
    let line = |(sku, quantity): (&str, i32)| StockLine { sku: sku.parse().unwrap(), quantity };
    [("a", 2), ("b", 1)].map(line).into()
}

pub(crate) fn confirmed(n: u8) -> OrderConfirmed {
    OrderConfirmed {
        event_id: id(n, EventType::OrderConfirmed),
        order_id: order(n),
        customer_id: customer(n),
        confirmed_at: at(60 + i64::from(n)),
        reserved: stock_lines(),
    }
}

pub(crate) fn rejected(n: u8) -> OrderRejected {
    OrderRejected {
        event_id: id(n, EventType::OrderRejected),
        order_id: order(n),
        customer_id: customer(n),
        rejected_at: at(60 + i64::from(n)),
        shortages: vec![Shortage { sku: "a".parse().unwrap(), requested: 2, available: 1 }],
    }
}

pub(crate) fn cancel_requested(n: u8) -> OrderCancelRequested {
    OrderCancelRequested {
        event_id: id(n, EventType::OrderCancelRequested),
        order_id: order(n),
        customer_id: customer(n),
        requested_at: at(120 + i64::from(n)),
        reason: None,
    }
}

/// After a confirmation everything comes back; otherwise nothing was reserved.
pub(crate) fn cancelled(n: u8, was_confirmed: bool) -> OrderCancelled {
    OrderCancelled {
        event_id: id(n, EventType::OrderCancelled),
        order_id: order(n),
        customer_id: customer(n),
        cancelled_at: at(180 + i64::from(n)),
        released: if was_confirmed { stock_lines() } else { vec![] },
    }
}

pub(crate) fn product(sku: &str, name: &str) -> ProductUpserted {
    ProductUpserted {
        event_id: EventId::time_ordered(),
        sku: sku.parse().unwrap(),
        name: name.to_owned().try_into().unwrap(),
        department: "GROCERY".to_owned().try_into().unwrap(),
        price_minor: MoneyMinor::try_from(100).unwrap(),
        currency: Currency::USD,
        updated_at: at(0),
    }
}

/// The same `n` is the same record again.
pub(crate) fn received(n: u8, sku: &str, delta: i64) -> StockReceived {
    StockReceived {
        event_id: Uuid::from_u128(u128::from(n)).into(),
        sku: sku.parse().unwrap(),
        delta: delta.try_into().unwrap(),
        received_at: at(0),
    }
}

/// What the test registry holds: the schema of each event type under its number.
pub(crate) fn schema(id: SchemaId) -> Result<String, RegistryError> {
    let known = EventType::ALL.get(id as usize);
    let schema = known.map(|event_type| event_type.schema().to_owned());
    schema.ok_or_else(|| RegistryError::NotFound(format!("schema id {id}")))
}

pub(crate) fn encoder() -> Encoder {
    Encoder::new(EventType::ALL.into_iter().zip(0..))
}
