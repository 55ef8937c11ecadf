//! Claims about `decide`: which mail an event becomes.

use events_schema::{
    EventType, OrderCancelled, OrderConfirmed, OrderRejected, PersonName, ProductUpserted,
    Quantity, Text,
};
use runtime::testing::batch;
use uuid::Uuid;

use super::*;

fn order_id(n: u128) -> OrderId {
    OrderId::from(Uuid::from_u128(n))
}

fn placed(n: u128, contact: Option<Contact>) -> Event {
    OrderPlaced {
        event_id: EventId::of_order(order_id(n), EventType::OrderPlaced),
        order_id: order_id(n),
        customer_id: "c1".parse().unwrap(),
        placed_at: Timestamp::from_micros(1),
        currency: Currency::USD,
        total_minor: MoneyMinor::try_from(500).unwrap(),
        lines: vec![OrderLine {
            sku: "A".parse().unwrap(),
            quantity: Quantity::try_from(1).unwrap(),
            unit_price_minor: MoneyMinor::try_from(500).unwrap(),
        }],
        locale: Locale::En,
        contact,
        fingerprint: 1,
    }
    .into()
}

fn dana() -> Option<Contact> {
    Some(Contact {
        name: PersonName::try_from("Dana".to_owned()).unwrap(),
        email: "dana@example.com".to_owned().try_into().unwrap(),
    })
}

fn confirmed(n: u128) -> Event {
    OrderConfirmed {
        event_id: EventId::of_order(order_id(n), EventType::OrderConfirmed),
        order_id: order_id(n),
        customer_id: "c1".parse().unwrap(),
        confirmed_at: Timestamp::from_micros(2),
        reserved: vec![],
    }
    .into()
}

fn rejected(n: u128) -> Event {
    OrderRejected {
        event_id: EventId::of_order(order_id(n), EventType::OrderRejected),
        order_id: order_id(n),
        customer_id: "c1".parse().unwrap(),
        rejected_at: Timestamp::from_micros(2),
        shortages: vec![Shortage { sku: "A".parse().unwrap(), requested: 2, available: 1 }],
    }
    .into()
}

fn cancelled(n: u128, customer: &str) -> Event {
    OrderCancelled {
        event_id: EventId::of_order(order_id(n), EventType::OrderCancelled),
        order_id: order_id(n),
        customer_id: customer.parse().unwrap(),
        cancelled_at: Timestamp::from_micros(3),
        released: vec![],
    }
    .into()
}

fn of_c1<T>(id: T) -> (T, CustomerId) {
    (id, "c1".parse().unwrap())
}

fn mails(decision: &Decision<Change>) -> Vec<(MailKind, FirstState)> {
    let mail = |change: &Change| match change {
        Change::QueueMail(mail) => Some((mail.kind, mail.state)),
        Change::RecordOrder(_) | Change::NameProduct { .. } => None,
    };
    decision.changes.iter().filter_map(mail).collect()
}

#[test]
fn an_outcome_in_the_same_batch_as_its_order_queues_one_mail() {
    let decision = decide(Known::default(), &batch(0, [placed(1, dana()), confirmed(1)]));
    assert_eq!(mails(&decision), [(MailKind::Confirmed, FirstState::Queued)]);
    assert!(decision.duplicates.is_empty());
}

#[test]
fn an_outcome_of_an_order_on_record_queues_one_mail() {
    let known =
        Known { orders: [(of_c1(order_id(1)), Addressee::Known)].into(), ..Known::default() };
    let decision = decide(known, &batch(0, [rejected(1)]));
    assert_eq!(mails(&decision), [(MailKind::Rejected, FirstState::Queued)]);
}

#[test]
fn a_mail_is_withheld_where_there_is_nobody_to_write_to() {
    let erased = decide(Known::default(), &batch(0, [placed(1, None), confirmed(1)]));
    let never_placed = decide(Known::default(), &batch(0, [confirmed(2)]));
    let withheld = |reason| [(MailKind::Confirmed, FirstState::Withheld(reason))];
    assert_eq!(mails(&erased), withheld(Reason::NoContact));
    assert_eq!(mails(&never_placed), withheld(Reason::NotPlaced));
}

#[test]
fn an_outcome_that_is_no_news_any_more_is_told_to_nobody() {
    let day = Duration::from_secs(24 * 3600);
    let mut late = batch(0, [placed(1, dana()), confirmed(1)]);
    // The confirmation came about in the second microsecond of 1970.
    let after = |micros| Timestamp::from_micros(2 + day.as_micros() as i64 + micros);
    let expected = [(0, FirstState::Queued), (1, FirstState::Withheld(Reason::TooOld))];
    for (micros, state) in expected {
        late.decided_at = after(micros);
        let known = Known { max_age: Some(day), ..Known::default() };
        assert_eq!(mails(&decide(known, &late)), [(MailKind::Confirmed, state)], "{micros}");
    }
    late.decided_at = Timestamp::from_micros(-1);
    let known = Known { max_age: Some(day), ..Known::default() };
    let ahead = mails(&decide(known, &late));
    assert_eq!(ahead, [(MailKind::Confirmed, FirstState::Queued)], "a clock that is ahead");
}

#[test]
fn a_strangers_cancellation_is_told_to_nobody_and_keeps_no_mail_from_the_customer() {
    let (own, other) = (cancelled(1, "c1"), cancelled(1, "c2"));
    let before = [other.clone(), placed(1, dana()), confirmed(1), own.clone()];
    let after = [placed(1, dana()), confirmed(1), other, own];
    for (events, withheld) in [(before, 0), (after, 1)] {
        let decision = decide(Known::default(), &batch(0, events));
        let mut expected = vec![
            (MailKind::Confirmed, FirstState::Queued),
            (MailKind::Cancelled, FirstState::Queued),
        ];
        expected.insert(withheld, (MailKind::Cancelled, FirstState::Withheld(Reason::NotPlaced)));
        assert_eq!(mails(&decision), expected);
        assert!(decision.duplicates.is_empty());
    }
}

#[test]
fn a_known_event_is_a_duplicate_within_a_batch_and_across_batches() {
    let twice = [placed(1, dana()), confirmed(1), placed(1, None), confirmed(1)];
    let decision = decide(Known::default(), &batch(0, twice));
    let offsets: Vec<i64> = decision.duplicates.iter().map(|source| source.offset.0).collect();
    assert_eq!((decision.changes.len(), offsets), (2, vec![2, 3]));

    let known = Known {
        orders: [(of_c1(order_id(1)), Addressee::Known)].into(),
        mails: [of_c1(EventId::of_order(order_id(1), EventType::OrderConfirmed))].into(),
        ..Known::default()
    };
    let again = decide(known, &batch(0, [placed(1, dana()), confirmed(1)]));
    assert_eq!((again.changes.len(), again.duplicates.len()), (0, 2));
}

#[test]
fn a_rejection_carries_its_shortages_and_a_product_its_name() {
    let product = ProductUpserted {
        event_id: EventId::from(Uuid::from_u128(9)),
        sku: "A".parse().unwrap(),
        name: Text::try_from("Apples".to_owned()).unwrap(),
        department: Text::try_from("PRODUCE".to_owned()).unwrap(),
        price_minor: MoneyMinor::try_from(5).unwrap(),
        currency: Currency::USD,
        updated_at: Timestamp::from_micros(1),
    };
    let events = [placed(1, dana()), rejected(1), product.into()];
    let decision = decide(Known::default(), &batch(0, events));
    let [_, Change::QueueMail(mail), Change::NameProduct { name, .. }] = &decision.changes[..]
    else {
        panic!("{:?}", decision.changes);
    };
    assert_eq!((mail.shortages.len(), name.as_str()), (1, "Apples"));
}
