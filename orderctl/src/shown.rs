//! An event as JSON for people. Leaves personal data out unless told otherwise.

use events_schema::{
    Currency, CustomerId, Event, EventId, Locale, MoneyMinor, OrderId, OrderLine, OrderPlaced,
    Timestamp,
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
            Event::OrderPlaced(event) if !self.personal_data => {
                RedactedPlaced::of(event).serialize(serializer)
            }
            Event::OrderPlaced(event) => event.serialize(serializer),
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

/// [`OrderPlaced`] with a word in place of the contact.
#[derive(Serialize)]
struct RedactedPlaced<'a> {
    event_id: EventId,
    order_id: OrderId,
    customer_id: &'a CustomerId,
    placed_at: Timestamp,
    currency: Currency,
    total_minor: MoneyMinor,
    lines: &'a [OrderLine],
    locale: Locale,
    contact: Option<&'static str>,
    fingerprint: i64,
}

impl<'a> RedactedPlaced<'a> {
    /// Names every field, so that a new one is not forgotten here.
    fn of(event: &'a OrderPlaced) -> Self {
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
            contact: contact.as_ref().map(|_| REDACTED),
            fingerprint: *fingerprint,
        }
    }
}
