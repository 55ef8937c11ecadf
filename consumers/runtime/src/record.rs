//! A record as it was fetched and what it turned out to be. Talks to nobody: a schema that is not
//! known yet is left for the worker to ask for.

use events_schema::envelope::Envelope;
use events_schema::wire::{DecodeError, Decoder, SchemaId};
use events_schema::{Event, EventType, Timestamp, Topic};
use rdkafka::Message;
use rdkafka::message::{BorrowedMessage, Headers};

use crate::projection::{Offset, Partition, Source};

/// One record of a lane.
#[derive(Debug)]
pub(crate) struct Record {
    pub source: Source,
    /// Of the lane when it was fetched: tells what an earlier owner of the lane left in a queue.
    pub epoch: i64,
    pub recorded_at: Timestamp,
    pub envelope: Envelope,
    pub raw: Raw,
    pub content: Content,
}

/// The bytes as they came, for parking.
#[derive(Debug)]
pub(crate) struct Raw {
    pub key: Option<Vec<u8>>,
    pub payload: Option<Vec<u8>>,
    pub headers: Vec<(String, Option<Vec<u8>>)>,
}

/// What a record turned out to be.
#[derive(Debug)]
pub(crate) enum Content {
    /// To be decided.
    Event(Event),
    /// In a batch, being decided.
    Taken,
    /// Of a type that does not change this projection.
    Irrelevant,
    /// Its schema has to be asked for.
    Unresolved(SchemaId),
    /// It parks.
    Poison { cause: &'static str, detail: String },
}

/// Which events a projection wants to see.
pub(crate) type Wanted = &'static [EventType];

impl Record {
    pub(crate) fn read(
        message: &BorrowedMessage<'_>,
        topic: Topic,
        epoch: i64,
        decoder: &Decoder,
        wanted: Wanted,
    ) -> Self {
        let millis = message.timestamp().to_millis().unwrap_or_default();
        let mut record = Self {
            source: Source {
                topic,
                partition: Partition(message.partition()),
                offset: Offset(message.offset()),
            },
            epoch,
            recorded_at: Timestamp::from_micros(millis.saturating_mul(1000)),
            envelope: envelope(message),
            raw: Raw::copy(message),
            content: Content::Irrelevant,
        };
        record.decode(decoder, wanted);
        record
    }

    /// Decodes the value; again, once an unresolved schema was learned.
    pub(crate) fn decode(&mut self, decoder: &Decoder, wanted: Wanted) {
        self.content = match claimed_type(&self.envelope) {
            Claimed::Known(event_type) if !wanted.contains(&event_type) => Content::Irrelevant,
            Claimed::Unknown(name) => Content::Poison {
                cause: "unknown-event-type",
                detail: format!("no build of ours knows {name}"),
            },
            _ => self.decode_value(decoder, wanted),
        };
    }

    fn decode_value(&mut self, decoder: &Decoder, wanted: Wanted) -> Content {
        let value = self.raw.payload.as_deref().ok_or(DecodeError::NoValue);
        match value.and_then(|value| decoder.decode(value)) {
            Ok(event) => self.check(event, wanted),
            Err(DecodeError::UnknownSchema(id)) => Content::Unresolved(id),
            Err(error) => Content::Poison { cause: cause_of(&error), detail: error.to_string() },
        }
    }

    /// An event in the wrong topic or under the wrong key would break the order of its own kind.
    fn check(&mut self, event: Event, wanted: Wanted) -> Content {
        if event.event_type().topic() != self.source.topic {
            let detail = format!("{} does not belong here", event.event_type().name());
            return Content::Poison { cause: "wrong-topic", detail };
        }
        if self.raw.key.as_deref() != Some(event.key().as_bytes()) {
            let detail = "the record's key is not the event's".to_owned();
            return Content::Poison { cause: "wrong-key", detail };
        }
        if self.envelope.subject.is_none() {
            self.envelope.subject = Some(event.subject());
        }
        match wanted.contains(&event.event_type()) {
            true => Content::Event(event),
            false => Content::Irrelevant,
        }
    }

    /// What later records wait behind when this one parks.
    pub(crate) fn subject(&self) -> Option<&str> {
        self.envelope.subject.as_deref()
    }
}

impl Raw {
    fn copy(message: &BorrowedMessage<'_>) -> Self {
        let headers = message.headers().map(|headers| {
            let copy = |h: rdkafka::message::Header<'_, &[u8]>| {
                (h.key.to_owned(), h.value.map(<[u8]>::to_vec))
            };
            headers.iter().map(copy).collect()
        });
        Self {
            key: message.key().map(<[u8]>::to_vec),
            payload: message.payload().map(<[u8]>::to_vec),
            headers: headers.unwrap_or_default(),
        }
    }
}

fn envelope(message: &BorrowedMessage<'_>) -> Envelope {
    message.headers().map_or_else(Envelope::default, |headers| {
        Envelope::read(headers.iter().map(|header| (header.key, header.value)))
    })
}

enum Claimed<'a> {
    Nothing,
    Known(EventType),
    Unknown(&'a str),
}

fn claimed_type(envelope: &Envelope) -> Claimed<'_> {
    match envelope.event_type.as_deref() {
        None => Claimed::Nothing,
        Some(name) => {
            EventType::from_full_name(name).map_or(Claimed::Unknown(name), Claimed::Known)
        }
    }
}

fn cause_of(error: &DecodeError) -> &'static str {
    match error {
        DecodeError::NoValue => "no-value",
        DecodeError::ForeignSchema(..) => "foreign-schema",
        _ => "undecodable",
    }
}
