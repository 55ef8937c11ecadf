//! Confluent's wire format: a zero byte, the schema id as four bytes big-endian, the Avro datum.
//! Fetches no schema: a decoder says which id it lacks, and is given it.

use std::io::BufRead;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_avro_fast::Schema;
use serde_avro_fast::ser::SerializerConfig;

use crate::event::{
    Event, EventType, OrderCancelRequested, OrderCancelled, OrderConfirmed, OrderPlaced,
    OrderRejected, ProductUpserted, StockReceived,
};

/// Bytes before the datum.
pub const HEADER_BYTES: usize = 5;

/// Most bytes of a value that is read: the broker's own limit of a record. The largest order that
/// the API takes has a tenth of it.
pub const VALUE_BYTES_MAX: usize = 1024 * 1024;

/// Most entries of an array that is read. Without it a writer's schema of empty entries could ask
/// for a thousand million of them in a value of ten bytes.
const ENTRIES_MAX: usize = 10_000;

/// The registry's id of one schema.
pub type SchemaId = u32;

/// Why an event could not be written: a defect of ours, never of a sender's.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    /// The value does not fit its own schema.
    #[error("could not encode {0}")]
    Datum(&'static str, #[source] serde_avro_fast::ser::SerError),
    /// The event type has no schema id.
    #[error("no schema id for {0}")]
    NoSchemaId(&'static str),
    /// The `.avsc` cannot be read.
    #[error("could not parse the schema of {0}")]
    Schema(&'static str, #[source] serde_avro_fast::schema::SchemaError),
}

/// Why bytes are not an event that this build can read.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// There is no value: a tombstone where none belongs.
    #[error("the record has no value")]
    NoValue,
    /// Shorter than the header.
    #[error("the value has {0} bytes, fewer than the 5 of the wire format")]
    TooShort(usize),
    /// Longer than any event may be.
    #[error("the value has {0} bytes, more than {VALUE_BYTES_MAX}")]
    TooLong(usize),
    /// The first byte is not zero.
    #[error("the value starts with {0:#04x} instead of the wire format's zero byte")]
    NoMagicByte(u8),
    /// Nobody has told this decoder what the id means. Ask the registry, then try again.
    #[error("schema id {0} is not known yet")]
    UnknownSchema(SchemaId),
    /// The schema is known, but not as one of our events.
    #[error("schema id {0} is of {1}, which is no event of ours")]
    ForeignSchema(SchemaId, String),
    /// The bytes do not fit the schema, or break an invariant of a value.
    #[error("could not decode {0}: {1}")]
    Datum(&'static str, #[source] serde_avro_fast::de::DeError),
    /// Bytes are left over behind the datum.
    #[error("{1} bytes are left over behind the {0}")]
    TrailingBytes(&'static str, usize),
}

/// Writes events. One per process: it only holds the schemas and their ids.
#[derive(Debug)]
pub struct Encoder {
    /// By the type's place in the enum.
    schemas: [Option<(SchemaId, Schema)>; EventType::ALL.len()],
}

impl Encoder {
    /// An encoder that writes each type of `ids` with the schema of this build.
    ///
    /// # Errors
    /// When an `.avsc` of this build cannot be parsed.
    pub fn new(ids: impl IntoIterator<Item = (EventType, SchemaId)>) -> Result<Self, EncodeError> {
        let mut schemas = [const { None }; EventType::ALL.len()];
        for (event_type, id) in ids {
            let schema = event_type.schema().parse::<Schema>();
            let schema = schema.map_err(|e| EncodeError::Schema(event_type.name(), e))?;
            if let Some(place) = schemas.get_mut(event_type as usize) {
                *place = Some((id, schema));
            }
        }
        Ok(Self { schemas })
    }

    /// Appends the event in the wire format to `buffer`.
    ///
    /// # Errors
    /// When the encoder was not given the type's schema id.
    pub fn encode(&self, event: &Event, buffer: Vec<u8>) -> Result<Vec<u8>, EncodeError> {
        match event {
            Event::OrderPlaced(event) => self.write(EventType::OrderPlaced, event, buffer),
            Event::OrderCancelRequested(event) => {
                self.write(EventType::OrderCancelRequested, event, buffer)
            }
            Event::OrderConfirmed(event) => self.write(EventType::OrderConfirmed, event, buffer),
            Event::OrderRejected(event) => self.write(EventType::OrderRejected, event, buffer),
            Event::OrderCancelled(event) => self.write(EventType::OrderCancelled, event, buffer),
            Event::ProductUpserted(event) => self.write(EventType::ProductUpserted, event, buffer),
            Event::StockReceived(event) => self.write(EventType::StockReceived, event, buffer),
        }
    }

    fn write<E: Serialize>(
        &self,
        event_type: EventType,
        event: &E,
        mut buffer: Vec<u8>,
    ) -> Result<Vec<u8>, EncodeError> {
        let name = event_type.name();
        let known = self.schemas.get(event_type as usize).and_then(Option::as_ref);
        let (id, schema) = known.ok_or(EncodeError::NoSchemaId(name))?;
        buffer.push(0);
        buffer.extend_from_slice(&id.to_be_bytes());
        serde_avro_fast::to_datum(event, buffer, &mut SerializerConfig::new(schema))
            .map_err(|e| EncodeError::Datum(name, e))
    }
}

/// What a schema id turned out to mean.
#[derive(Debug)]
enum Writer {
    Ours(EventType, Schema),
    Foreign(String),
}

/// Reads events. It knows the ids that it was given.
#[derive(Debug, Default)]
pub struct Decoder {
    /// In the order of the ids: there are few, and a hash would cost more than the search.
    writers: Vec<(SchemaId, Writer)>,
}

impl Decoder {
    /// Tells the decoder what an id means: the writer's schema as JSON.
    ///
    /// A schema that is not one of our events, or no Avro, makes its records undecodable, and only
    /// those.
    pub fn learn(&mut self, id: SchemaId, schema: &str) {
        let writer = match schema.parse::<Schema>() {
            Ok(parsed) => match EventType::from_full_name(&record_name(schema)) {
                Some(event_type) => Writer::Ours(event_type, parsed),
                None => Writer::Foreign(record_name(schema)),
            },
            Err(error) => Writer::Foreign(format!("no readable Avro schema ({error})")),
        };
        match self.writers.binary_search_by_key(&id, |(known, _)| *known) {
            Ok(place) => {
                if let Some((_, known)) = self.writers.get_mut(place) {
                    *known = writer;
                }
            }
            Err(place) => self.writers.insert(place, (id, writer)),
        }
    }

    /// Reads one record's value.
    ///
    /// # Errors
    /// [`DecodeError::UnknownSchema`] means "ask the registry"; every other error is final.
    pub fn decode(&self, value: &[u8]) -> Result<Event, DecodeError> {
        let (id, datum) = split(value)?;
        let place = self.writers.binary_search_by_key(&id, |(known, _)| *known);
        let known = place.ok().and_then(|place| self.writers.get(place));
        match known.map(|(_, writer)| writer) {
            None => Err(DecodeError::UnknownSchema(id)),
            Some(Writer::Foreign(name)) => Err(DecodeError::ForeignSchema(id, name.clone())),
            Some(Writer::Ours(event_type, schema)) => read_event(*event_type, schema, datum),
        }
    }
}

/// The schema id and the datum of a value in the wire format.
///
/// # Errors
/// When the value is too short or too long, or does not start with the zero byte.
pub fn split(value: &[u8]) -> Result<(SchemaId, &[u8]), DecodeError> {
    match value {
        long if long.len() > VALUE_BYTES_MAX => Err(DecodeError::TooLong(long.len())),
        [0, a, b, c, d, datum @ ..] => Ok((SchemaId::from_be_bytes([*a, *b, *c, *d]), datum)),
        [first, _, _, _, _, ..] => Err(DecodeError::NoMagicByte(*first)),
        short => Err(DecodeError::TooShort(short.len())),
    }
}

/// The full name of a schema's record; empty where it is none.
fn record_name(schema: &str) -> String {
    let parsed: serde_json::Value = serde_json::from_str(schema).unwrap_or_default();
    let text = |key: &str| parsed.get(key).and_then(|v| v.as_str()).unwrap_or_default().to_owned();
    let (namespace, name) = (text("namespace"), text("name"));
    if namespace.is_empty() || name.contains('.') { name } else { format!("{namespace}.{name}") }
}

fn read_event(event_type: EventType, schema: &Schema, datum: &[u8]) -> Result<Event, DecodeError> {
    let name = event_type.name();
    match event_type {
        EventType::OrderPlaced => read::<OrderPlaced>(name, schema, datum),
        EventType::OrderCancelRequested => read::<OrderCancelRequested>(name, schema, datum),
        EventType::OrderConfirmed => read::<OrderConfirmed>(name, schema, datum),
        EventType::OrderRejected => read::<OrderRejected>(name, schema, datum),
        EventType::OrderCancelled => read::<OrderCancelled>(name, schema, datum),
        EventType::ProductUpserted => read::<ProductUpserted>(name, schema, datum),
        EventType::StockReceived => read::<StockReceived>(name, schema, datum),
    }
}

fn read<E: DeserializeOwned + Into<Event>>(
    name: &'static str,
    schema: &Schema,
    datum: &[u8],
) -> Result<Event, DecodeError> {
    use serde_avro_fast::de::read::SliceRead;
    use serde_avro_fast::de::{DeserializerConfig, DeserializerState};

    let mut config = DeserializerConfig::new(schema);
    config.max_seq_size = ENTRIES_MAX;
    let mut state = DeserializerState::with_config(SliceRead::new(datum), config);
    let event = E::deserialize(state.deserializer()).map_err(|e| DecodeError::Datum(name, e))?;
    // The reader of a slice is at its end, or hands out all that is left.
    let mut rest: SliceRead<'_> = state.into_reader();
    match rest.fill_buf().map_or(0, <[u8]>::len) {
        0 => Ok(event.into()),
        left => Err(DecodeError::TrailingBytes(name, left)),
    }
}
