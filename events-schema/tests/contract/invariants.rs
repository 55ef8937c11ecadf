//! What the documents say of a value holds for every event that is read, whoever wrote it.

use events_schema::wire::Decoder;
use events_schema::*;
use uuid::Uuid;

use crate::cases::cases;
use crate::given::{decoder, encoder, event_id, line, noon, order, order_id};
use crate::properties::{refused, varint};

/// Our encoder writes what it is given; another one might, too.
#[track_caller]
fn assert_refused(event: impl Into<Event>, why: &str) {
    let event = event.into();
    let bytes = encoder().encode(&event, Vec::new()).unwrap();
    let message = refused(&decoder(event.event_type()), &bytes);
    assert!(message.contains(why), "{message}");
}

fn units(quantity: i32) -> Vec<StockLine> {
    vec![StockLine { sku: "1000001".parse().unwrap(), quantity }]
}

fn rejected(requested: i32, available: i32) -> OrderRejected {
    OrderRejected {
        event_id: event_id(EventType::OrderRejected),
        order_id: order_id(),
        customer_id: "household-1".parse().unwrap(),
        rejected_at: noon(),
        shortages: vec![Shortage { sku: "1000001".parse().unwrap(), requested, available }],
    }
}

#[test]
fn an_order_has_a_line_and_no_more_than_the_limit() {
    let with = |count: usize| OrderPlaced { lines: vec![line("a", 1, 1); count], ..order() };
    assert_refused(with(0), "1 to 500 lines");
    assert_refused(with(limits::ORDER_LINES_MAX + 1), "1 to 500 lines");
}

#[test]
fn what_was_reserved_or_released_is_at_least_one_unit() {
    for quantity in [0, -1, i32::MIN] {
        let ids = (event_id(EventType::OrderConfirmed), order_id());
        let customer_id: CustomerId = "household-1".parse().unwrap();
        let confirmed = OrderConfirmed {
            event_id: ids.0,
            order_id: ids.1,
            customer_id: customer_id.clone(),
            confirmed_at: noon(),
            reserved: units(quantity),
        };
        let cancelled = OrderCancelled {
            event_id: ids.0,
            order_id: ids.1,
            customer_id,
            cancelled_at: noon(),
            released: units(quantity),
        };
        assert_refused(confirmed, "at least 1");
        assert_refused(cancelled, "at least 1");
    }
}

#[test]
fn a_shortage_asks_for_something_and_there_is_no_less_than_nothing() {
    assert_refused(rejected(0, 0), "at least 1");
    assert_refused(rejected(1, -1), "at least 0");
}

/// A `StockReceived` of this time, as anybody could write it.
fn received_at(micros: i64) -> Vec<u8> {
    let text = |text: &str| [varint(text.len() as i64), text.as_bytes().to_vec()].concat();
    let id = text(&Uuid::from_u128(8).to_string());
    [vec![0, 0, 0, 0, 1], id, text("1000001"), varint(240), varint(micros)].concat()
}

#[test]
fn a_time_beyond_the_calendar_is_refused_and_never_becomes_another_one() {
    let decoder: Decoder = decoder(EventType::StockReceived);
    let (first, last) = (Timestamp::MIN.micros(), Timestamp::MAX.micros());
    for micros in [i64::MIN, first - 1, last + 1, i64::MAX] {
        let message = refused(&decoder, &received_at(micros));
        assert!(message.contains("years 1 to 9999"), "{message}");
    }
    for micros in [first, 0, last] {
        let event = decoder.decode(&received_at(micros)).unwrap();
        assert_eq!(event.occurred_at().to_utc().timestamp_micros(), micros);
    }
    assert_eq!(Timestamp::from_micros(i64::MAX), Timestamp::MAX);
}

#[test]
fn no_case_of_the_corpus_is_refused() {
    for (case, event) in cases() {
        let bytes = encoder().encode(&event, Vec::new()).unwrap();
        let read = decoder(event.event_type()).decode(&bytes);
        assert_eq!(read.as_ref().ok(), Some(&event), "{case}: {read:?}");
    }
}
