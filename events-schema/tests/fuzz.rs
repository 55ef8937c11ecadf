//! Whatever the bytes, a decoder answers: with an event that is written as the same event again, or
//! with one of its errors. It never panics.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use events_schema::envelope::Envelope;
use events_schema::wire::{Decoder, Encoder, SchemaId};
use events_schema::{Event, EventType};
use fuzz::fuzz;

/// Of a record that is none of ours.
const FOREIGN: SchemaId = 8;
/// Written by somebody else's later version, which has fields that this build passes over.
const OF_NOTHING: SchemaId = 9;
const NESTED: SchemaId = 10;

/// The ids of this build's schemas, as the corpus has them.
fn ids() -> impl Iterator<Item = (EventType, SchemaId)> {
    EventType::ALL.into_iter().zip(1..)
}

fn decoder() -> Decoder {
    let mut decoder = Decoder::default();
    for (event_type, id) in ids() {
        decoder.learn(id, event_type.schema());
    }
    decoder.learn(FOREIGN, r#"{"type": "record", "name": "elsewhere.Thing", "fields": []}"#);
    let with = |field: &str| {
        let schema = EventType::StockReceived.schema();
        schema.replacen(r#""fields": ["#, &format!(r#""fields": [{field},"#), 1)
    };
    let nothing = r#"{"name": "nothing", "type": {"type": "array", "items": "null"}}"#;
    let more = r#"{"name": "more", "type": ["null", "StockReceived"]}"#;
    decoder.learn(OF_NOTHING, &with(nothing));
    decoder.learn(NESTED, &with(more));
    decoder
}

/// What is read is written as it was read, and read again as the same.
fn comes_back(decoder: &Decoder, event: &Event) {
    let encoder = Encoder::new(ids());
    let written = encoder.encode(event, vec![]).unwrap();
    assert_eq!(decoder.decode(&written).unwrap(), *event);
}

#[test]
fn any_value_is_an_event_that_comes_back_or_an_error() {
    let decoder = decoder();
    fuzz("wire", |value| match decoder.decode(value) {
        Ok(event) => comes_back(&decoder, &event),
        Err(error) => assert!(!error.to_string().is_empty()),
    });
}

#[test]
fn any_answer_of_a_registry_is_a_schema_or_makes_its_records_undecodable() {
    let value = Encoder::new([(EventType::OrderPlaced, 1)]);
    let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/order_placed/v1-typical.bin");
    let golden = std::fs::read(golden).unwrap();
    let mut known = decoder();
    let datum = [&[0, 0, 0, 0, 1], golden.get(5..).unwrap()].concat();
    let event = known.decode(&datum).unwrap();
    let value = value.encode(&event, vec![]).unwrap();
    fuzz("schema", |schema| {
        let mut decoder = Decoder::default();
        decoder.learn(1, &String::from_utf8_lossy(schema));
        let _ = decoder.decode(&value);
    });
    known.learn(1, "no schema");
    assert!(known.decode(&value).is_err());
}

/// A line is a header: `name=value`, or a name alone for one without a value.
#[test]
fn any_headers_are_read_within_their_limits() {
    fuzz("headers", |text| {
        let lines = text.split(|byte| *byte == b'\n').map(|line| {
            let mut parts = line.splitn(2, |byte| *byte == b'=');
            (String::from_utf8_lossy(parts.next().unwrap_or_default()), parts.next())
        });
        let headers: Vec<_> = lines.collect();
        let pairs = headers.iter().map(|(name, value)| (name.as_ref(), *value));
        let envelope = Envelope::read(pairs);
        let texts = [envelope.event_type, envelope.subject, envelope.traceparent];
        for text in texts.into_iter().flatten() {
            assert!((1..=256).contains(&text.len()) && !text.contains(char::is_control));
        }
    });
}
