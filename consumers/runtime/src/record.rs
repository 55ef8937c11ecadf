//! A record as it was fetched and what it turned out to be. Talks to nobody: a schema that is not
//! known yet is left for the worker to ask for.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use events_schema::envelope::Envelope;
use events_schema::reading::{self, FOREIGN_SCHEMA, LogRecord};
use events_schema::wire::{Decoder, SchemaId};
use events_schema::{Event, EventType, Timestamp, Topic};
use kafka_client::record_headers;
use rdkafka::Message;
use rdkafka::message::BorrowedMessage;
use schema_registry::RegistryError;

use crate::partition::{Epoch, Offset, Partition, Source};
use crate::raw_headers::RawHeaders;

/// One record of a partition.
#[derive(Debug)]
pub(crate) struct Record {
    pub source: Source,
    /// Of the partition when it was fetched: tells what an earlier owner of the partition left in a queue.
    pub epoch: Epoch,
    pub recorded_at: Timestamp,
    pub envelope: Envelope,
    pub raw: RawRecord,
    pub content: Content,
    pub held_bytes: HeldBytes,
}

/// Counts a record's bytes among those that a worker holds, for as long as the record lives.
#[derive(Debug, Default)]
pub(crate) struct HeldBytes(Option<(usize, Arc<AtomicUsize>)>);

impl HeldBytes {
    pub(crate) fn new(bytes: usize, held: &Arc<AtomicUsize>) -> Self {
        held.fetch_add(bytes, Ordering::Relaxed);
        Self(Some((bytes, Arc::clone(held))))
    }
}

impl Drop for HeldBytes {
    fn drop(&mut self) {
        if let Some((bytes, held)) = &self.0 {
            held.fetch_sub(*bytes, Ordering::Relaxed);
        }
    }
}

/// The bytes as they came, for parking.
#[derive(Debug)]
pub(crate) struct RawRecord {
    pub key: Option<Vec<u8>>,
    pub payload: Option<Vec<u8>>,
    pub headers: RawHeaders,
}

/// What a record turned out to be.
#[derive(Debug)]
pub(crate) enum Content {
    /// To be decided.
    Event(Event),
    /// Of a type that does not change this projection.
    Irrelevant,
    /// Its schema has to be asked for.
    Unresolved(SchemaId),
    /// It parks.
    Poison { cause: &'static str, detail: String },
}

/// Which events a projection wants to see.
pub(crate) type EventTypes = &'static [EventType];

impl Record {
    /// The registry has no schema that it could be read with.
    pub(crate) fn is_foreign(&mut self, why: &RegistryError) {
        self.content = Content::Poison { cause: FOREIGN_SCHEMA, detail: why.to_string() };
    }

    /// As it was fetched, not decoded yet.
    pub(crate) fn fetched(message: &BorrowedMessage<'_>, topic: Topic, epoch: Epoch) -> Self {
        let millis = message.timestamp().to_millis().unwrap_or_default();
        let raw = RawRecord::copy(message);
        Self {
            source: Source {
                topic,
                partition: Partition(message.partition()),
                offset: Offset(message.offset()),
            },
            epoch,
            recorded_at: Timestamp::from_micros(millis.saturating_mul(1000)),
            envelope: raw.envelope(),
            raw,
            content: Content::Irrelevant,
            held_bytes: HeldBytes::default(),
        }
    }

    /// One that was parked, not decoded yet. What it waits behind is what it was parked under, unless
    /// it says otherwise itself.
    pub(crate) fn parked(
        source: Source,
        recorded_at: Timestamp,
        raw: RawRecord,
        subject: Option<String>,
    ) -> Self {
        let envelope = Envelope { subject, ..raw.envelope() };
        let (content, held_bytes) = (Content::Irrelevant, HeldBytes::default());
        Self { source, epoch: Epoch(0), recorded_at, envelope, raw, content, held_bytes }
    }

    /// Reads it by the rule of its topic; again, once an unresolved schema was learned.
    pub(crate) fn decode(&mut self, decoder: &Decoder, wanted: EventTypes) {
        let record = LogRecord {
            topic: self.source.topic,
            key: self.raw.key.as_deref(),
            value: self.raw.payload.as_deref(),
            envelope: &self.envelope,
            recorded_at: self.recorded_at,
        };
        if record.is_passed_by(wanted) {
            self.content = Content::Irrelevant;
            return;
        }
        let reading::Read { event, subject } = record.read(decoder);
        self.content = match event {
            Ok(event) if wanted.contains(&event.event_type()) => Content::Event(event),
            Ok(_) => Content::Irrelevant,
            Err(why) => match why.needs() {
                Some(id) => Content::Unresolved(id),
                None => Content::Poison { cause: why.cause(), detail: why.to_string() },
            },
        };
        self.envelope.subject = subject;
    }

    /// The schema that it cannot be decoded without.
    pub(crate) fn needs(&self) -> Option<SchemaId> {
        match self.content {
            Content::Unresolved(id) => Some(id),
            _ => None,
        }
    }

    /// What later records wait behind when this one parks.
    pub(crate) fn subject(&self) -> Option<&str> {
        self.envelope.subject.as_deref()
    }
}

impl RawRecord {
    /// Roughly what it takes in memory.
    pub(crate) fn bytes(&self) -> usize {
        let length = |bytes: &Option<Vec<u8>>| bytes.as_ref().map_or(0, Vec::len);
        length(&self.key) + length(&self.payload) + self.headers.bytes()
    }

    fn copy(message: &BorrowedMessage<'_>) -> Self {
        Self {
            key: message.key().map(<[u8]>::to_vec),
            payload: message.payload().map(<[u8]>::to_vec),
            headers: RawHeaders::from(record_headers(message).as_slice()),
        }
    }

    fn envelope(&self) -> Envelope {
        Envelope::read(self.headers.iter())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::shelf::{received, value};

    /// As fetched: the value and the key of stock for milk.
    fn fetched() -> Record {
        let (topic, partition) = (Topic::Stock, Partition(0));
        let source = Source { topic, partition, offset: Offset(0) };
        let mut record = crate::testing::record(source, received(1, "milk", 1));
        record.content = Content::Irrelevant;
        record.raw.key = Some(b"milk".to_vec());
        record.raw.payload = Some(value(1, "milk", 1));
        record
    }

    fn decoder() -> Decoder {
        let mut decoder = Decoder::default();
        decoder.learn(1, EventType::StockReceived.schema());
        decoder
    }

    #[test]
    fn the_subject_of_an_event_comes_from_its_value() {
        let mut record = fetched();
        record.envelope.subject = Some("tea".to_owned());
        record.decode(&decoder(), &[EventType::StockReceived]);
        assert!(matches!(record.content, Content::Event(_)), "{:?}", record.content);
        assert_eq!(record.subject(), Some("milk"));
    }

    #[test]
    fn an_event_of_a_type_that_no_build_knows_parks() {
        let mut record = fetched();
        record.envelope.event_type = Some("orderflow.StockCounted".to_owned());
        record.decode(&decoder(), &[EventType::StockReceived]);
        assert!(matches!(record.content, Content::Poison { cause: "unknown-event-type", .. }));
    }

    #[test]
    fn a_parked_record_of_products_blocks_no_other() {
        let mut record = fetched();
        record.source.topic = Topic::Products;
        record.envelope.subject = Some("milk".to_owned());
        record.decode(&decoder(), &[EventType::ProductUpserted, EventType::ProductDelisted]);
        assert!(matches!(record.content, Content::Poison { cause: "wrong-topic", .. }));
        assert_eq!(record.subject(), None);
    }

    #[test]
    fn a_tombstone_of_products_is_an_event_and_one_of_stock_parks() {
        let wanted = &[EventType::StockReceived, EventType::ProductDelisted];
        let mut record = fetched();
        record.raw.payload = None;
        record.decode(&decoder(), wanted);
        assert!(matches!(record.content, Content::Poison { cause: "no-value", .. }));
        record.source.topic = Topic::Products;
        record.decode(&decoder(), wanted);
        assert!(matches!(record.content, Content::Event(Event::ProductDelisted(_))));
        assert_eq!(record.subject(), Some("milk"));
    }

    #[test]
    fn bytes_are_held_for_as_long_as_a_record_lives() {
        let held = Arc::new(AtomicUsize::new(0));
        let mut record = fetched();
        record.held_bytes = HeldBytes::new(record.raw.bytes(), &held);
        assert!(held.load(Ordering::Relaxed) >= 8);
        drop(record);
        assert_eq!(held.load(Ordering::Relaxed), 0);
    }
}
