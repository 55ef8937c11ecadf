//! What a record of the log is: the one rule for whoever reads a topic. Asks no registry and reads no
//! log: a schema that is not known yet is for the caller to ask for.

use crate::envelope::Envelope;
use crate::event::{Event, EventType, ProductDelisted};
use crate::ids::EventId;
use crate::topics::{Retention, Topic};
use crate::values::{Sku, Timestamp};
use crate::wire::{DecodeError, Decoder, SchemaId};

/// A record as it stands in the log.
#[derive(Debug, Clone, Copy)]
pub struct LogRecord<'a> {
    /// Where it stands.
    pub topic: Topic,
    /// Its key.
    pub key: Option<&'a [u8]>,
    /// Its value; a tombstone has none.
    pub value: Option<&'a [u8]>,
    /// What its headers say.
    pub envelope: &'a Envelope,
    /// When it was written.
    pub recorded_at: Timestamp,
}

/// Why a record is no event of its topic. Whoever keeps what it cannot apply parks it; whoever keeps
/// nothing passes it over.
#[derive(Debug, thiserror::Error)]
pub enum Invalid {
    /// Its header names a type that no build knows.
    #[error("no build of ours knows {0}")]
    UnknownType(String),
    /// There is no value where every record has one.
    #[error("the record has no value")]
    NoValue,
    /// Its value is none that this build can read.
    #[error(transparent)]
    Value(#[from] DecodeError),
    /// It is an event of another topic.
    #[error("{0} does not belong here")]
    WrongTopic(&'static str),
    /// It stands under another key than its own.
    #[error("the record's key is not the event's")]
    WrongKey,
    /// It is a tombstone of nothing.
    #[error("a tombstone whose key is no SKU")]
    NoSku,
}

impl Invalid {
    /// In a word that an operator can group by.
    pub fn cause(&self) -> &'static str {
        match self {
            Self::UnknownType(_) => "unknown-event-type",
            Self::NoValue => "no-value",
            Self::Value(DecodeError::ForeignSchema(..) | DecodeError::NoSuchSchema(_)) => {
                FOREIGN_SCHEMA
            }
            Self::Value(_) => "undecodable",
            Self::WrongTopic(_) => "wrong-topic",
            Self::WrongKey | Self::NoSku => "wrong-key",
        }
    }

    /// The schema to ask for, where that is all that is missing.
    pub fn needs(&self) -> Option<SchemaId> {
        match self {
            Self::Value(DecodeError::UnknownSchema(id)) => Some(*id),
            _ => None,
        }
    }
}

/// The cause of a record whose schema the registry does not have, or that is none of ours.
pub const FOREIGN_SCHEMA: &str = "foreign-schema";

/// What came of reading a record.
#[derive(Debug)]
pub struct Read {
    /// The event, or why it is none.
    pub event: Result<Event, Invalid>,
    /// What later records wait behind, where this one parks. In a compacted topic none waits: each
    /// says the whole truth of its key.
    pub subject: Option<String>,
}

impl<'a> LogRecord<'a> {
    /// Whether its header names an event of this topic that is not among the wanted: it need not be
    /// read. A header that names one of another topic says nothing.
    pub fn is_passed_by(&self, wanted: &[EventType]) -> bool {
        let named = self.envelope.event_type.as_deref().and_then(EventType::from_full_name);
        named.is_some_and(|named| named.topic() == self.topic && !wanted.contains(&named))
            && self.value.is_some()
    }

    /// The event that it is for every reader: decoded, of its topic, under its key.
    pub fn read(&self, decoder: &Decoder) -> Read {
        let read = self.decode(decoder);
        // What an event is about it says itself: a header that says otherwise must not break the
        // order of its kind.
        let subject = read.as_ref().ok().map(Event::subject);
        let event = read.and_then(|event| self.checked(event));
        let keeps_order = event.is_ok() || self.topic.retention() == Retention::Forever;
        let subject = subject.or_else(|| self.envelope.subject.clone());
        Read { event, subject: subject.filter(|_| keeps_order) }
    }

    /// As [`Self::read`], for whoever asks for no subject.
    ///
    /// # Errors
    /// Why the record is no event of its topic.
    pub fn event(&self, decoder: &Decoder) -> Result<Event, Invalid> {
        self.decode(decoder).and_then(|event| self.checked(event))
    }

    fn decode(&self, decoder: &Decoder) -> Result<Event, Invalid> {
        let Some(value) = self.value else { return self.tombstone() };
        match self.envelope.event_type.as_deref() {
            Some(name) if EventType::from_full_name(name).is_none() => {
                Err(Invalid::UnknownType(name.to_owned()))
            }
            _ => Ok(decoder.decode(value)?),
        }
    }

    /// Whatever the headers say: compaction takes it for one, too.
    fn tombstone(&self) -> Result<Event, Invalid> {
        if self.topic.retention() != Retention::Compacted {
            return Err(Invalid::NoValue);
        }
        let text = self.key.and_then(|key| std::str::from_utf8(key).ok());
        let sku: Sku = text.and_then(|text| text.parse().ok()).ok_or(Invalid::NoSku)?;
        let event_id = self.envelope.event_id.unwrap_or_else(|| EventId::of_tombstone(&sku));
        Ok(ProductDelisted { event_id, sku, delisted_at: self.recorded_at }.into())
    }

    /// An event in the wrong topic or under the wrong key would break the order of its own kind.
    fn checked(&self, event: Event) -> Result<Event, Invalid> {
        if event.event_type().topic() != self.topic {
            return Err(Invalid::WrongTopic(event.event_type().name()));
        }
        match self.key == Some(event.key().as_bytes()) {
            true => Ok(event),
            false => Err(Invalid::WrongKey),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Encoder;
    use crate::{Currency, MoneyMinor, ProductUpserted, StockReceived};

    fn tea() -> Event {
        let price_minor = MoneyMinor::ZERO;
        let text = |text: &str| text.to_owned();
        ProductUpserted {
            event_id: uuid::Uuid::from_u128(1).into(),
            sku: "tea".parse().unwrap(),
            name: text("Tea").try_into().unwrap(),
            department: text("Drinks").try_into().unwrap(),
            price_minor,
            currency: Currency::USD,
            updated_at: Timestamp::from_micros(5),
        }
        .into()
    }

    fn stock() -> Event {
        let event_id = uuid::Uuid::from_u128(2).into();
        let delta = 1.try_into().unwrap();
        let received_at = Timestamp::from_micros(5);
        StockReceived { event_id, sku: "tea".parse().unwrap(), delta, received_at }.into()
    }

    fn bytes(event: &Event) -> Vec<u8> {
        Encoder::new(EventType::ALL.into_iter().zip(0..)).encode(event, vec![]).unwrap()
    }

    fn of_type(name: Option<&str>) -> Envelope {
        let subject = Some("header".to_owned());
        Envelope { event_type: name.map(str::to_owned), subject, ..Envelope::default() }
    }

    /// The cause, or empty where it is an event, and the subject.
    fn read(
        topic: Topic,
        key: &[u8],
        value: Option<&[u8]>,
        claimed: Option<&str>,
    ) -> (&'static str, String) {
        let mut decoder = Decoder::default();
        for (id, event_type) in (0..).zip(EventType::ALL) {
            decoder.learn(id, event_type.schema());
        }
        let (envelope, recorded_at) = (of_type(claimed), Timestamp::from_micros(7));
        let record = LogRecord { topic, key: Some(key), value, envelope: &envelope, recorded_at };
        let read = record.read(&decoder);
        let cause = read.event.as_ref().err().map_or("", Invalid::cause);
        (cause, read.subject.unwrap_or_default())
    }

    #[test]
    fn a_tombstone_under_a_sku_delists_it_whatever_its_headers_say() {
        for claimed in [None, Some("orderflow.ProductUpserted"), Some("nobody.Knows"), Some("")] {
            let read = read(Topic::Products, b"tea", None, claimed);
            assert_eq!(read, ("", "tea".to_owned()), "{claimed:?}");
        }
    }

    #[test]
    fn a_tombstone_of_nothing_is_no_event_and_neither_is_one_where_every_record_counts() {
        for key in [&b""[..], b"a b", b"\xff", &[b'x'; 65]] {
            assert_eq!(read(Topic::Products, key, None, None), ("wrong-key", String::new()));
        }
        for topic in [Topic::Orders, Topic::Stock] {
            assert_eq!(read(topic, b"tea", None, None), ("no-value", "header".to_owned()));
        }
    }

    #[test]
    fn a_description_counts_only_under_its_own_sku_in_its_own_topic_and_under_a_known_type() {
        let (tea, stock) = (bytes(&tea()), bytes(&stock()));
        let products = |key: &[u8], value: &[u8], claimed| {
            let (cause, subject) = read(Topic::Products, key, Some(value), claimed);
            assert_eq!(subject.is_empty(), !cause.is_empty(), "nothing waits behind what is none");
            cause
        };
        assert_eq!(products(b"tea", &tea, None), "");
        assert_eq!(products(b"tea", &tea, Some("orderflow.OrderPlaced")), "", "the value counts");
        assert_eq!(products(b"milk", &tea, None), "wrong-key");
        assert_eq!(products(b"tea", &stock, None), "wrong-topic");
        assert_eq!(products(b"tea", b"", None), "undecodable", "empty is no tombstone");
        assert_eq!(products(b"tea", &tea, Some("nobody.Knows")), "unknown-event-type");
    }

    #[test]
    fn behind_what_cannot_be_read_waits_its_subject_where_order_matters() {
        let stock = bytes(&stock());
        let wrong_key = read(Topic::Stock, b"milk", Some(&stock), None);
        assert_eq!(wrong_key, ("wrong-key", "tea".to_owned()), "what it says itself");
        let unreadable = read(Topic::Stock, b"tea", Some(b"x"), None);
        assert_eq!(unreadable, ("undecodable", "header".to_owned()));
    }

    #[test]
    fn a_header_passes_by_only_what_it_names_of_its_own_topic() {
        let is_passed_by = |topic, value: Option<&[u8]>, claimed| {
            let (envelope, recorded_at) = (of_type(claimed), Timestamp::from_micros(7));
            LogRecord { topic, key: None, value, envelope: &envelope, recorded_at }
                .is_passed_by(&[EventType::OrderPlaced])
        };
        let confirmed = Some("orderflow.OrderConfirmed");
        assert!(is_passed_by(Topic::Orders, Some(b"x"), confirmed));
        assert!(!is_passed_by(Topic::Orders, Some(b"x"), Some("orderflow.OrderPlaced")));
        assert!(!is_passed_by(Topic::Orders, Some(b"x"), Some("nobody.Knows")));
        assert!(!is_passed_by(Topic::Products, Some(b"x"), confirmed));
        assert!(!is_passed_by(Topic::Orders, None, confirmed), "nobody passes by a tombstone");
    }
}
