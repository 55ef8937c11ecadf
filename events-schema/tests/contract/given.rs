//! Events and files that several tests need. Asserts nothing.

use std::path::{Path, PathBuf};

use events_schema::wire::{Decoder, Encoder};
use events_schema::*;
use serde_json::Value;
use uuid::Uuid;

/// The crate's own folder.
pub(crate) fn folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The committed versions of a schema, from 1 on without a gap.
pub(crate) fn history(event_type: EventType) -> Vec<String> {
    let file = |version: usize| history_file(event_type, version);
    let versions = (1..).map(file).map_while(|path| std::fs::read_to_string(path).ok());
    versions.collect()
}

pub(crate) fn history_file(event_type: EventType, version: usize) -> PathBuf {
    let name = event_type.file_name();
    folder().join("schemas/history").join(name).join(format!("{version}.avsc"))
}

/// Writes every type under the id of its newest version, as the golden files do.
pub(crate) fn encoder() -> Encoder {
    let newest = |event_type| (event_type, history(event_type).len() as u32);
    Encoder::new(EventType::ALL.map(newest))
}

/// Reads one type, whose schema ids are its versions.
pub(crate) fn decoder(event_type: EventType) -> Decoder {
    let mut decoder = Decoder::default();
    for (version, schema) in (1..).zip(history(event_type)) {
        decoder.learn(version, &schema);
    }
    decoder
}

pub(crate) fn json(event: &Event) -> Value {
    let view = match event {
        Event::OrderPlaced(event) => serde_json::to_value(event),
        Event::OrderCancelRequested(event) => serde_json::to_value(event),
        Event::OrderConfirmed(event) => serde_json::to_value(event),
        Event::OrderRejected(event) => serde_json::to_value(event),
        Event::OrderCancelled(event) => serde_json::to_value(event),
        Event::ProductUpserted(event) => serde_json::to_value(event),
        Event::StockReceived(event) => serde_json::to_value(event),
        Event::ProductDelisted(event) => serde_json::to_value(event),
    };
    view.unwrap()
}

pub(crate) fn order_id() -> OrderId {
    OrderId::from(Uuid::from_u128(0x2cb8_c4d5_761d_5108_85c4_204c_04d1_fe9a))
}

pub(crate) fn event_id(event_type: EventType) -> EventId {
    EventId::of_order(order_id(), event_type)
}

pub(crate) fn noon() -> Timestamp {
    Timestamp::from_micros(1_767_268_800_123_456)
}

pub(crate) fn text<const MAX: usize>(text: &str) -> Text<MAX> {
    text.to_owned().try_into().unwrap()
}

pub(crate) fn money(minor: i64) -> MoneyMinor {
    MoneyMinor::try_from(minor).unwrap()
}

pub(crate) fn line(sku: &str, quantity: i64, price: i64) -> OrderLine {
    OrderLine {
        sku: sku.parse().unwrap(),
        quantity: Quantity::try_from(quantity).unwrap(),
        unit_price_minor: money(price),
    }
}

/// An order of nine lines, as the real year has them.
pub(crate) fn order() -> OrderPlaced {
    let lines: Vec<_> = (0..9).map(|n| line(&format!("{}", 1_000_000 + n), n + 1, 199)).collect();
    OrderPlaced {
        event_id: event_id(EventType::OrderPlaced),
        order_id: order_id(),
        customer_id: "household-1".parse().unwrap(),
        placed_at: noon(),
        currency: Currency::USD,
        total_minor: money(45 * 199),
        lines,
        locale: Locale::En,
        contact: Some(contact("Dana Levi", "dana@example.com")),
        fingerprint: -42,
    }
}

pub(crate) fn contact(name: &str, email: &str) -> Contact {
    Contact {
        name: name.to_owned().try_into().unwrap(),
        email: email.to_owned().try_into().unwrap(),
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
