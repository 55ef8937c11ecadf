//! Which records a replay prints. As much as can be is told without decoding.

use events_schema::envelope::Envelope;
use events_schema::{CustomerId, Event, EventType, OrderId};
use kafka_client::FetchedRecord;

/// What must hold; an empty filter passes everything.
#[derive(Debug, Default)]
pub(super) struct Filter {
    pub(super) types: Vec<EventType>,
    pub(super) customer: Option<CustomerId>,
    pub(super) order: Option<OrderId>,
    /// Milliseconds since 1970; behind the first record of a time there may be older ones.
    pub(super) not_before: Option<i64>,
}

/// One record as it stands in the log.
pub(super) struct Record<'a> {
    pub(super) partition: i32,
    pub(super) offset: i64,
    pub(super) millis: Option<i64>,
    pub(super) key: Option<&'a [u8]>,
    pub(super) value: Option<&'a [u8]>,
    /// For its headers.
    pub(super) fetched: &'a FetchedRecord<'a>,
    pub(super) envelope: Envelope,
}

impl Filter {
    /// The record, unless its key or headers already say that it is not wanted.
    pub(super) fn take<'a>(&self, fetched: &'a FetchedRecord<'a>) -> Option<Record<'a>> {
        let key = fetched.key();
        let customer = self.customer.as_ref().map(|customer| customer.as_str().as_bytes());
        if customer.is_some() && customer != key {
            return None;
        }
        let millis = fetched.millis();
        if self.not_before.is_some_and(|first| millis.is_none_or(|millis| millis < first)) {
            return None;
        }
        let envelope = Envelope::read(fetched.headers());
        let passes = self.envelope_passes(&envelope);
        passes.then(|| Record {
            partition: fetched.partition(),
            offset: fetched.offset(),
            millis,
            key,
            value: fetched.value(),
            fetched,
            envelope,
        })
    }

    fn envelope_passes(&self, envelope: &Envelope) -> bool {
        let type_fits = |name: &String| self.types.iter().any(|t| t.full_name() == name);
        let order_fits = |subject: &String| subject.parse().ok() == self.order;
        (self.types.is_empty() || envelope.event_type.as_ref().is_none_or(type_fits))
            && (self.order.is_none() || envelope.subject.as_ref().is_none_or(order_fits))
    }

    /// Whether the decoded record is wanted. One that cannot be decoded is, where its key and
    /// headers say what the filter asks for.
    pub(super) fn passes(&self, record: &Record<'_>, event: Option<&Event>) -> bool {
        let Some(event) = event else {
            return (self.types.is_empty() || record.envelope.event_type.is_some())
                && (self.order.is_none() || record.envelope.subject.is_some());
        };
        (self.types.is_empty() || self.types.contains(&event.event_type()))
            && self.order.is_none_or(|order| event.order_id() == Some(order))
            && self.customer.as_ref().is_none_or(|customer| event.customer_id() == Some(customer))
    }
}
