//! A writer's schema that fits ours byte by byte and means something else.

use events_schema::wire::{DecodeError, Decoder};
use events_schema::{Event, EventType};

use crate::cases;
use crate::given::encoder;

fn learned(event: &Event, schema: &str) -> Result<Event, DecodeError> {
    let bytes = encoder().encode(event, vec![]).unwrap();
    let mut decoder = Decoder::default();
    decoder.learn(u32::from_be_bytes(bytes[1..5].try_into().unwrap()), schema);
    decoder.decode(&bytes)
}

#[test]
fn milliseconds_are_never_read_as_microseconds() {
    for (name, event) in cases::cases() {
        let schema = event.event_type().schema();
        let millis = schema.replace("timestamp-micros", "timestamp-millis");
        let plain =
            schema.replace(r#"{"type": "long", "logicalType": "timestamp-micros"}"#, r#""long""#);
        for other in [millis, plain] {
            assert_ne!(other, schema);
            let read = learned(&event, &other);
            assert!(matches!(read, Err(DecodeError::ForeignSchema(..))), "{name}: {read:?}");
        }
        assert_eq!(learned(&event, schema).unwrap(), event);
    }
}

#[test]
fn what_is_meant_otherwise_is_said() {
    let schema = EventType::StockReceived.schema().replace("micros", "millis");
    let mut decoder = Decoder::default();
    decoder.learn(1, &schema);
    let said = decoder.decode(&[0, 0, 0, 0, 1, 0]).unwrap_err().to_string();
    let place = "received_at is timestamp-millis there and timestamp-micros here";
    assert!(said.contains(place), "{said}");
}
