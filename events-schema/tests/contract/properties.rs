//! What holds for any event and any bytes. Stores nothing.

use std::collections::HashMap;

use compact_str::CompactString;
use events_schema::envelope::{self, Envelope};
use events_schema::wire::{DecodeError, Decoder, HEADER_BYTES, VALUE_BYTES_MAX};
use events_schema::*;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use serde_avro_fast::ser::SerializerConfig;
use serde_avro_fast::to_datum_vec;
use uuid::Uuid;

use crate::given::{decoder, encoder};

fn uuids() -> impl Strategy<Value = Uuid> {
    any::<u128>().prop_map(Uuid::from_u128)
}

fn parsed<T: std::str::FromStr<Err: std::fmt::Debug> + std::fmt::Debug>(
    pattern: &'static str,
) -> impl Strategy<Value = T> {
    let text = proptest::string::string_regex(pattern).unwrap();
    text.prop_map(|text| text.parse().unwrap())
}

fn skus() -> impl Strategy<Value = Sku> {
    parsed("[A-Za-z0-9._-]{1,64}")
}

fn customers() -> impl Strategy<Value = CustomerId> {
    parsed("[A-Za-z0-9._-]{1,64}")
}

/// Every letter there is, but for control characters and blanks at both ends.
fn texts<const MAX: usize>() -> impl Strategy<Value = Text<MAX>> {
    let text = proptest::string::string_regex("[^\\p{C}\\s]\\PC{0,80}").unwrap();
    text.prop_map(|text| text.try_into().unwrap())
}

fn times() -> impl Strategy<Value = Timestamp> {
    let micros = Timestamp::MIN.micros()..=Timestamp::MAX.micros();
    micros.prop_map(|micros| micros.try_into().unwrap())
}

fn money() -> impl Strategy<Value = MoneyMinor> {
    (0..=i64::MAX).prop_map(|minor| minor.try_into().unwrap())
}

fn currencies() -> impl Strategy<Value = Currency> {
    parsed("[A-Z]{3}")
}

fn contacts() -> impl Strategy<Value = Contact> {
    let emails = proptest::string::string_regex("[a-z+]{1,64}@[a-z]{1,60}\\.[a-z]{2,9}").unwrap();
    (texts::<{ limits::PERSON_NAME_CHARS_MAX }>(), emails).prop_map(|(name, email)| Contact {
        name: name.as_str().to_owned().try_into().unwrap(),
        email: email.try_into().unwrap(),
    })
}

fn order_lines() -> impl Strategy<Value = OrderLine> {
    (skus(), 1..=i64::from(limits::QUANTITY_MAX), money()).prop_map(|(sku, quantity, price)| {
        OrderLine { sku, quantity: quantity.try_into().unwrap(), unit_price_minor: price }
    })
}

fn stock_lines() -> impl Strategy<Value = Vec<StockLine>> {
    vec((skus(), 1..=i32::MAX).prop_map(|(sku, quantity)| StockLine { sku, quantity }), 0..9)
}

fn placed() -> impl Strategy<Value = Event> {
    let ids = (uuids(), uuids(), customers(), times());
    let amounts = (currencies(), money(), vec(order_lines(), 1..20));
    let rest = (any::<bool>(), option::of(contacts()), any::<i64>());
    (ids, amounts, rest).prop_map(|(ids, amounts, (hebrew, contact, fingerprint))| {
        Event::from(OrderPlaced {
            event_id: ids.0.into(),
            order_id: ids.1.into(),
            customer_id: ids.2,
            placed_at: ids.3,
            currency: amounts.0,
            total_minor: amounts.1,
            lines: amounts.2,
            locale: if hebrew { Locale::He } else { Locale::En },
            contact,
            fingerprint,
        })
    })
}

fn outcomes() -> impl Strategy<Value = Event> {
    let reasons = option::of(texts::<{ limits::REASON_CHARS_MAX }>());
    let shortages = vec((skus(), 1..=i32::MAX, 0..=i32::MAX), 0..9);
    let ids = (uuids(), uuids(), customers(), times());
    (ids, 0..4_u8, stock_lines(), reasons, shortages).prop_map(
        |(ids, kind, lines, reason, short)| {
            let (event_id, order_id) = (ids.0.into(), ids.1.into());
            let (customer_id, at) = (ids.2, ids.3);
            match kind {
                0 => OrderConfirmed {
                    event_id,
                    order_id,
                    customer_id,
                    confirmed_at: at,
                    reserved: lines,
                }
                .into(),
                1 => OrderCancelled {
                    event_id,
                    order_id,
                    customer_id,
                    cancelled_at: at,
                    released: lines,
                }
                .into(),
                2 => OrderCancelRequested {
                    event_id,
                    order_id,
                    customer_id,
                    requested_at: at,
                    reason,
                }
                .into(),
                _ => OrderRejected {
                    event_id,
                    order_id,
                    customer_id,
                    rejected_at: at,
                    shortages: short.into_iter().map(shortage).collect(),
                }
                .into(),
            }
        },
    )
}

fn shortage((sku, requested, available): (Sku, i32, i32)) -> Shortage {
    Shortage { sku, requested, available }
}

fn goods() -> impl Strategy<Value = Event> {
    let name = texts::<{ limits::PRODUCT_NAME_CHARS_MAX }>();
    let department = texts::<{ limits::DEPARTMENT_CHARS_MAX }>();
    let product = (uuids(), skus(), name, department, money(), currencies(), times());
    let product = product.prop_map(|(id, sku, name, department, price_minor, currency, at)| {
        let (event_id, updated_at) = (id.into(), at);
        ProductUpserted { event_id, sku, name, department, price_minor, currency, updated_at }
            .into()
    });
    let stock = (uuids(), skus(), 1..=i64::from(limits::STOCK_DELTA_MAX), times());
    let stock = stock.prop_map(|(id, sku, delta, received_at)| {
        let delta = (-delta).try_into().unwrap();
        StockReceived { event_id: id.into(), sku, delta, received_at }.into()
    });
    prop_oneof![product, stock]
}

fn events() -> impl Strategy<Value = Event> {
    prop_oneof![placed(), outcomes(), goods()]
}

/// Reads every type: the ids are 1, 2, 3 ….
fn codec() -> (HashMap<EventType, u32>, Decoder) {
    let mut decoder = Decoder::default();
    let ids: HashMap<_, _> = EventType::ALL.into_iter().zip(1..).collect();
    for (event_type, id) in &ids {
        decoder.learn(*id, event_type.schema());
    }
    (ids, decoder)
}

fn value(id: u32, datum: &[u8]) -> Vec<u8> {
    [&[0], id.to_be_bytes().as_slice(), datum].concat()
}

proptest! {
    #[test]
    fn any_event_is_read_as_it_was_written(event in events()) {
        let bytes = encoder().encode(&event, Vec::new()).unwrap();
        prop_assert_eq!(decoder(event.event_type()).decode(&bytes).unwrap(), event);
    }

    #[test]
    fn any_event_is_written_as_its_schema_says(event in events()) {
        let bytes = encoder().encode(&event, Vec::new()).unwrap();
        let schema = event.event_type().schema().parse().unwrap();
        let mut config = SerializerConfig::new(&schema);
        let expected = match &event {
            Event::OrderPlaced(event) => to_datum_vec(event, &mut config),
            Event::OrderCancelRequested(event) => to_datum_vec(event, &mut config),
            Event::OrderConfirmed(event) => to_datum_vec(event, &mut config),
            Event::OrderRejected(event) => to_datum_vec(event, &mut config),
            Event::OrderCancelled(event) => to_datum_vec(event, &mut config),
            Event::ProductUpserted(event) => to_datum_vec(event, &mut config),
            Event::StockReceived(event) => to_datum_vec(event, &mut config),
            Event::ProductDelisted(_) => panic!("a tombstone has no datum"),
        };
        prop_assert_eq!(&bytes[HEADER_BYTES..], expected.unwrap());
    }

    #[test]
    fn any_event_is_of_the_topic_key_and_subject_that_its_headers_say(event in events()) {
        let headers = envelope::headers(&event, "/test", None);
        let bytes = headers.iter().map(|(name, value)| (*name, Some(value.as_bytes())));
        let read = Envelope::read(bytes);
        prop_assert_eq!(read.event_id, Some(event.event_id()));
        prop_assert_eq!(read.event_type.as_deref(), Some(event.event_type().full_name()));
        prop_assert_eq!(read.subject, Some(event.subject()));
    }

    #[test]
    fn no_bytes_make_the_decoder_panic(datum in vec(any::<u8>(), 0..400)) {
        let (ids, decoder) = codec();
        prop_assert!(decoder.decode(&datum).is_err() || datum.first() == Some(&0));
        for id in ids.into_values() {
            let _ = decoder.decode(&value(id, &datum));
        }
    }

    /// Nearly right is where a decoder goes wrong.
    #[test]
    fn no_damage_to_an_event_makes_the_decoder_panic(
        event in events(),
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut bytes = encoder().encode(&event, Vec::new()).unwrap();
        for (index, byte) in damage {
            let index = index.index(bytes.len());
            bytes[index] = byte;
        }
        if let Ok(read) = decoder(event.event_type()).decode(&bytes) {
            prop_assert_eq!(read.event_type(), event.event_type());
        }
    }

    #[test]
    fn no_headers_make_the_envelope_panic(
        headers in vec(("ce_(id|type|subject)|traceparent", option::of(vec(any::<u8>(), 0..300))), 0..9),
    ) {
        let pairs = headers.iter().map(|(name, value)| (name.as_str(), value.as_deref()));
        let read = Envelope::read(pairs);
        let subject = read.subject.unwrap_or_else(|| "none".to_owned());
        prop_assert!((1..=256).contains(&subject.len()) && !subject.contains(char::is_control));
    }
}

/// The variable-length form of a number.
pub(crate) fn varint(number: i64) -> Vec<u8> {
    let mut left = ((number << 1) ^ (number >> 63)) as u64;
    let mut bytes = vec![];
    while left >= 0x80 {
        bytes.push(left as u8 | 0x80);
        left >>= 7;
    }
    bytes.push(left as u8);
    bytes
}

#[track_caller]
pub(crate) fn refused(decoder: &Decoder, value: &[u8]) -> String {
    let error = decoder.decode(value).unwrap_err();
    assert!(matches!(error, DecodeError::Datum(..)), "{error}");
    error.to_string()
}

/// An order that says it has this many lines, and then ends.
fn order_with_lines(count: i64) -> Vec<u8> {
    let text = |text: &str| [varint(text.len() as i64), text.as_bytes().to_vec()].concat();
    let id = text(&Uuid::nil().to_string());
    let time_currency_total = [varint(0), text("USD"), varint(0)].concat();
    // A negative count is followed by the size of its block in bytes.
    [id.clone(), id, text("c"), time_currency_total, varint(count), varint(0)].concat()
}

#[test]
fn a_count_of_lines_beyond_any_memory_is_an_error() {
    let (ids, decoder) = codec();
    let id = ids[&EventType::OrderPlaced];
    for count in [1 << 60, i64::MAX, i64::MIN, -(1 << 60), 10_001] {
        let message = refused(&decoder, &value(id, &order_with_lines(count)));
        assert!(message.contains("max sequence size"), "{count}: {message}");
    }
}

#[test]
fn a_length_of_text_beyond_the_value_is_an_error() {
    let (ids, decoder) = codec();
    for length in [1 << 60, i64::MAX, i64::MIN, -1, 37] {
        refused(&decoder, &value(ids[&EventType::OrderPlaced], &varint(length)));
    }
}

/// Nothing in a value pays for an entry without bytes: only its count bounds the work.
#[test]
fn a_schema_of_empty_entries_cannot_keep_the_decoder_busy() {
    let nothing = r#"{"type": "array", "items": "null"}"#;
    let schema = EventType::StockReceived.schema();
    let schema = schema.replacen(
        "\"fields\": [",
        &format!("\"fields\": [{{\"name\": \"nothing\", \"type\": {nothing}}},"),
        1,
    );
    let mut decoder = Decoder::default();
    decoder.learn(1, &schema);
    let message = refused(&decoder, &value(1, &varint(900_000_000)));
    assert!(message.contains("max sequence size"), "{message}");
}

#[test]
fn a_value_beyond_the_limit_is_refused_unread() {
    let (_, decoder) = codec();
    let error = decoder.decode(&vec![0; VALUE_BYTES_MAX + 1]).unwrap_err();
    assert!(matches!(error, DecodeError::TooLong(_)), "{error}");
}

#[test]
fn an_invariant_of_a_value_holds_for_what_is_read() {
    let (ids, decoder) = codec();
    let event = crate::given::order();
    let bytes = encoder().encode(&event.clone().into(), Vec::new()).unwrap();
    let at = bytes.windows(3).position(|three| three == b"USD").unwrap();
    let mut broken = value(ids[&EventType::OrderPlaced], &bytes[5..]);
    broken[at..at + 3].copy_from_slice(b"usd");
    assert!(refused(&decoder, &broken).contains("ISO 4217"));
    assert!(Currency::try_from(CompactString::from("usd")).is_err());
}

#[test]
fn of_a_header_that_stands_twice_the_first_valid_one_counts() {
    let (first, second) = (Uuid::from_u128(1).to_string(), Uuid::from_u128(2).to_string());
    let oversized = "x".repeat(257);
    let read = Envelope::read([
        (envelope::ID, Some(b"no uuid".as_slice())),
        (envelope::ID, Some(first.as_bytes())),
        (envelope::ID, Some(second.as_bytes())),
        (envelope::SUBJECT, Some(oversized.as_bytes())),
        (envelope::SUBJECT, Some(b"nul\0")),
        (envelope::SUBJECT, Some(b"a")),
        (envelope::SUBJECT, Some(b"b")),
        (envelope::TYPE, None),
        (envelope::TYPE, Some(b"")),
        (envelope::TYPE, Some(b"\xff\xfe")),
        (envelope::TYPE, Some(b"orderflow.OrderPlaced")),
        ("unheard-of", Some(b"x")),
    ]);
    assert_eq!(read.event_id.map(|id| id.to_string()), Some(first));
    assert_eq!(read.subject.as_deref(), Some("a"));
    assert_eq!(read.event_type.as_deref(), Some("orderflow.OrderPlaced"));
    assert_eq!(read.traceparent, None);
}
