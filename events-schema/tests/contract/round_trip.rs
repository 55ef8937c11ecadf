//! What is written can be read again, and nothing else can.

use events_schema::wire::DecodeError;
use events_schema::{Event, EventType};

use crate::given::{decoder, encoder, order};

#[test]
fn an_order_comes_back_as_it_was_written() {
    let (encoder, decoder) = (encoder(), decoder(EventType::OrderPlaced));
    let written = Event::from(order());
    let bytes = encoder.encode(&written, Vec::new()).unwrap();
    assert_eq!(decoder.decode(&bytes).unwrap(), written);
}

#[test]
fn bytes_left_over_behind_the_datum_are_an_error() {
    let (encoder, decoder) = (encoder(), decoder(EventType::OrderPlaced));
    let mut bytes = encoder.encode(&order().into(), Vec::new()).unwrap();
    bytes.push(0);
    let error = decoder.decode(&bytes).unwrap_err();
    assert!(matches!(error, DecodeError::TrailingBytes("OrderPlaced", 1)), "{error}");
}

#[test]
fn a_truncated_value_is_an_error_at_every_length() {
    let (encoder, decoder) = (encoder(), decoder(EventType::OrderPlaced));
    let bytes = encoder.encode(&order().into(), Vec::new()).unwrap();
    for length in 0..bytes.len() {
        assert!(decoder.decode(&bytes[..length]).is_err(), "{length} bytes were read as an order");
    }
}

#[test]
fn personal_data_is_not_shown_by_debug() {
    let shown = format!("{:?}", order());
    assert!(!shown.contains("dana@") && !shown.contains("Dana"), "{shown}");
}
