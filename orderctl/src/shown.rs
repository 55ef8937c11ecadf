//! An event as JSON for people. Leaves personal data out unless told otherwise.

use events_schema::{
    Contact, Currency, CustomerId, Event, EventId, Locale, MoneyMinor, OrderId, OrderLine,
    OrderPlaced, Timestamp,
};
use serde::{Serialize, Serializer};

/// What stands in place of what is left out.
pub(crate) const REDACTED: &str = "redacted";

/// An event to be serialized.
pub(crate) struct Shown<'a> {
    pub(crate) event: &'a Event,
    pub(crate) personal_data: bool,
}

impl Serialize for Shown<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.event {
            Event::OrderPlaced(event) => {
                Placed::of(event, self.personal_data).serialize(serializer)
            }
            Event::OrderCancelRequested(event) => event.serialize(serializer),
            Event::OrderConfirmed(event) => event.serialize(serializer),
            Event::OrderRejected(event) => event.serialize(serializer),
            Event::OrderCancelled(event) => event.serialize(serializer),
            Event::ProductUpserted(event) => event.serialize(serializer),
            Event::ProductDelisted(event) => event.serialize(serializer),
            Event::StockReceived(event) => event.serialize(serializer),
        }
    }
}

/// [`OrderPlaced`] with its hash as text, which no reader of JSON rounds.
#[derive(Serialize)]
struct Placed<'a> {
    event_id: EventId,
    order_id: OrderId,
    customer_id: &'a CustomerId,
    placed_at: Timestamp,
    currency: Currency,
    total_minor: MoneyMinor,
    lines: &'a [OrderLine],
    locale: Locale,
    contact: Option<Person<'a>>,
    fingerprint: String,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Person<'a> {
    LeftOut(&'static str),
    Shown(&'a Contact),
}

impl<'a> Placed<'a> {
    /// Names every field, so that a new one is not forgotten here.
    fn of(event: &'a OrderPlaced, personal_data: bool) -> Self {
        let OrderPlaced {
            event_id,
            order_id,
            customer_id,
            placed_at,
            currency,
            total_minor,
            lines,
            locale,
            contact,
            fingerprint,
        } = event;
        Self {
            event_id: *event_id,
            order_id: *order_id,
            customer_id,
            placed_at: *placed_at,
            currency: *currency,
            total_minor: *total_minor,
            lines,
            locale: *locale,
            contact: contact.as_ref().map(|contact| match personal_data {
                true => Person::Shown(contact),
                false => Person::LeftOut(REDACTED),
            }),
            fingerprint: fingerprint.to_string(),
        }
    }
}
