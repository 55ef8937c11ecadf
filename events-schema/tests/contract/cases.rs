//! The cases that the golden corpus stores of every event. A case that was stored stays as it is:
//! a new one gets a new name.

use events_schema::*;
use uuid::Uuid;

use crate::given::{contact, event_id, line, money, noon, order, order_id, text};

pub(crate) fn cases() -> Vec<(&'static str, Event)> {
    let mut cases = orders();
    cases.extend(cancellations());
    cases.extend(outcomes());
    cases.extend(products());
    cases.extend(stock());
    cases
}

fn longest() -> String {
    "x".repeat(limits::IDENTIFIER_CHARS_MAX)
}

fn orders() -> Vec<(&'static str, Event)> {
    let minimal = OrderPlaced {
        customer_id: "c".parse().unwrap(),
        placed_at: Timestamp::from_micros(0),
        total_minor: MoneyMinor::ZERO,
        lines: vec![line("s", 1, 0)],
        contact: None,
        fingerprint: 0,
        ..order()
    };
    let (quantity, price) = (i64::from(limits::QUANTITY_MAX), limits::UNIT_PRICE_MINOR_MAX);
    let email = format!("{}@{}.example", "e".repeat(64), "d".repeat(181));
    let maximal = OrderPlaced {
        customer_id: longest().parse().unwrap(),
        placed_at: Timestamp::from_micros(253_402_300_799_999_999),
        total_minor: money(quantity * price * limits::ORDER_LINES_MAX as i64),
        lines: vec![line(&longest(), quantity, price); limits::ORDER_LINES_MAX],
        contact: Some(contact(&"n".repeat(limits::PERSON_NAME_CHARS_MAX), &email)),
        fingerprint: i64::MIN,
        ..order()
    };
    let unicode = OrderPlaced {
        locale: Locale::He,
        contact: Some(contact("דנה לוי 👩‍🍳 Łukasz", "dana@example.com")),
        fingerprint: i64::MAX,
        ..order()
    };
    let erased = OrderPlaced { contact: None, ..order() };
    vec![
        ("typical", order().into()),
        ("minimal", minimal.into()),
        ("maximal", maximal.into()),
        ("unicode", unicode.into()),
        ("contact-erased", erased.into()),
    ]
}

fn cancellations() -> Vec<(&'static str, Event)> {
    let with = |reason: Option<&str>| OrderCancelRequested {
        event_id: event_id(EventType::OrderCancelRequested),
        order_id: order_id(),
        customer_id: "household-1".parse().unwrap(),
        requested_at: noon(),
        reason: reason.map(text),
    };
    let longest = "r".repeat(limits::REASON_CHARS_MAX);
    vec![
        ("typical", with(Some("ordered twice")).into()),
        ("minimal", with(None).into()),
        ("maximal", with(Some(&longest)).into()),
        ("unicode", with(Some("הזמנתי פעמיים 🙈")).into()),
    ]
}

fn stock_lines(count: usize) -> Vec<StockLine> {
    let line = |n| StockLine { sku: format!("{}", 1_000_000 + n).parse().unwrap(), quantity: 3 };
    (0..count).map(line).collect()
}

fn outcomes() -> Vec<(&'static str, Event)> {
    let customer_id: CustomerId = "household-1".parse().unwrap();
    let confirmed = |reserved| OrderConfirmed {
        event_id: event_id(EventType::OrderConfirmed),
        order_id: order_id(),
        customer_id: customer_id.clone(),
        confirmed_at: noon(),
        reserved,
    };
    let cancelled = |released| OrderCancelled {
        event_id: event_id(EventType::OrderCancelled),
        order_id: order_id(),
        customer_id: customer_id.clone(),
        cancelled_at: noon(),
        released,
    };
    let rejected = |shortages| OrderRejected {
        event_id: event_id(EventType::OrderRejected),
        order_id: order_id(),
        customer_id: customer_id.clone(),
        rejected_at: noon(),
        shortages,
    };
    let short =
        |requested, available| Shortage { sku: "1000001".parse().unwrap(), requested, available };
    let largest = vec![StockLine { sku: longest().parse().unwrap(), quantity: i32::MAX }];
    vec![
        ("typical", confirmed(stock_lines(9)).into()),
        ("minimal", confirmed(stock_lines(1)).into()),
        ("maximal", confirmed(stock_lines(limits::ORDER_LINES_MAX)).into()),
        ("largest-quantity", confirmed(largest.clone()).into()),
        ("typical", cancelled(stock_lines(9)).into()),
        ("minimal", cancelled(vec![]).into()),
        ("maximal", cancelled(stock_lines(limits::ORDER_LINES_MAX)).into()),
        ("largest-quantity", cancelled(largest).into()),
        ("typical", rejected(vec![short(3, 2)]).into()),
        ("minimal", rejected(vec![]).into()),
        ("maximal", rejected(vec![short(i32::MAX, 0); limits::ORDER_LINES_MAX]).into()),
    ]
}

fn products() -> Vec<(&'static str, Event)> {
    let with = |sku: &str, name: &str, department: &str, price| ProductUpserted {
        event_id: EventId::from(Uuid::from_u128(7)),
        sku: sku.parse().unwrap(),
        name: text(name),
        department: text(department),
        price_minor: money(price),
        currency: Currency::USD,
        updated_at: noon(),
    };
    let (name, department) =
        ("n".repeat(limits::PRODUCT_NAME_CHARS_MAX), "d".repeat(limits::DEPARTMENT_CHARS_MAX));
    vec![
        ("typical", with("1000001", "GRAPES RED", "PRODUCE", 199).into()),
        ("minimal", with("1", "n", "d", 0).into()),
        ("maximal", with(&longest(), &name, &department, limits::UNIT_PRICE_MINOR_MAX).into()),
        ("unicode", with("cafe-1", "Café crème 🥐", "מאפים", 350).into()),
    ]
}

fn stock() -> Vec<(&'static str, Event)> {
    let with = |sku: &str, delta: i64| StockReceived {
        event_id: EventId::from(Uuid::from_u128(8)),
        sku: sku.parse().unwrap(),
        delta: StockDelta::try_from(delta).unwrap(),
        received_at: noon(),
    };
    let most = i64::from(limits::STOCK_DELTA_MAX);
    vec![
        ("typical", with("1000001", 240).into()),
        ("minimal", with("1", 1).into()),
        ("maximal", with(&longest(), most).into()),
        ("written-off", with("1000001", -most).into()),
    ]
}
