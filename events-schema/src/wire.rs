//! Confluent's wire format: a zero byte, the schema id as four bytes big-endian, the Avro datum.
//! Fetches no schema: a decoder says which id it lacks, and is given it.

use std::io::BufRead;

use serde::de::DeserializeOwned;
use serde_avro_fast::Schema;

use crate::datum::Datum;
use crate::event::{
    Event, EventType, OrderCancelRequested, OrderCancelled, OrderConfirmed, OrderPlaced,
    OrderRejected, ProductUpserted, StockReceived,
};
use crate::meaning;

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
    /// The event type has no schema id: it was not given, or it is a tombstone, which has no bytes.
    #[error("no schema id for {0}")]
    NoSchemaId(&'static str),
}

/// Why bytes are not an event that this build can read.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
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
    /// Whoever was asked what the id means does not know it either.
    #[error("the schema registry knows no schema id {0}")]
    NoSuchSchema(SchemaId),
    /// The schema is known, but not as one of our events.
    #[error("schema id {0} is of {1}, which is no event of ours")]
    ForeignSchema(SchemaId, String),
    /// The bytes do not fit the schema, or break an invariant of a value.
    #[error("could not decode {0}: {1}")]
    Datum(&'static str, #[source] serde_avro_fast::de::DeError),
    /// A schema of that name, though its events are tombstones.
    #[error("a {0} is a tombstone and has no value")]
    HasValue(&'static str),
    /// Bytes are left over behind the datum.
    #[error("{1} bytes are left over behind the {0}")]
    TrailingBytes(&'static str, usize),
}

/// Writes events, with the schemas of this build. It only holds the schemas' ids.
#[derive(Debug)]
pub struct Encoder {
    /// By the type's place in the enum.
    ids: [Option<SchemaId>; EventType::ALL.len()],
}

impl Encoder {
    /// An encoder that writes each type of `ids` with the schema of this build.
    pub fn new(ids: impl IntoIterator<Item = (EventType, SchemaId)>) -> Self {
        let mut known = [None; EventType::ALL.len()];
        for (event_type, id) in ids {
            if let Some(place) = known.get_mut(event_type as usize) {
                *place = Some(id);
            }
        }
        Self { ids: known }
    }

    /// Appends the event in the wire format to `buffer`.
    ///
    /// # Errors
    /// When the encoder was not given the type's schema id.
    pub fn encode(&self, event: &Event, mut buffer: Vec<u8>) -> Result<Vec<u8>, EncodeError> {
        let event_type = event.event_type();
        let id = self.ids.get(event_type as usize).copied().flatten();
        let id = id.ok_or(EncodeError::NoSchemaId(event_type.name()))?;
        buffer.push(0);
        buffer.extend_from_slice(&id.to_be_bytes());
        match event {
            Event::OrderPlaced(event) => event.write(&mut buffer),
            Event::OrderCancelRequested(event) => event.write(&mut buffer),
            Event::OrderConfirmed(event) => event.write(&mut buffer),
            Event::OrderRejected(event) => event.write(&mut buffer),
            Event::OrderCancelled(event) => event.write(&mut buffer),
            Event::ProductUpserted(event) => event.write(&mut buffer),
            Event::StockReceived(event) => event.write(&mut buffer),
            Event::ProductDelisted(_) => {}
        }
        Ok(buffer)
    }
}

/// What a schema id turned out to mean.
#[derive(Debug)]
enum Writer {
    Ours(OurSchema),
    Foreign(String),
    Absent,
}

/// Some version of one of our schemas.
#[derive(Debug)]
struct OurSchema {
    event_type: EventType,
    parsed: Schema,
    /// Whether it asks for the same bytes as the schema of this build.
    is_current: bool,
}

impl OurSchema {
    /// One that means something else by a name of ours is none of ours, though the bytes fit.
    fn of(event_type: EventType, schema: &str, parsed: Schema) -> Writer {
        let differences = meaning::differences(event_type.schema(), schema);
        match differences.is_empty() {
            true => Writer::Ours(Self::new(event_type, parsed)),
            false => {
                let name = event_type.full_name();
                Writer::Foreign(format!("a {name} whose {}", differences.join(", and ")))
            }
        }
    }

    fn new(event_type: EventType, parsed: Schema) -> Self {
        // The fingerprint leaves out what decides no byte, such as the docs.
        let current = event_type.schema().parse::<Schema>();
        let current = current.map(|ours| ours.rabin_fingerprint() == parsed.rabin_fingerprint());
        Self { event_type, parsed, is_current: current.unwrap_or(false) }
    }
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
        self.keep(id, WriterSchema::parse(schema));
    }

    /// Tells the decoder that nobody knows the id.
    pub fn learn_absent(&mut self, id: SchemaId) {
        self.know(id, Writer::Absent);
    }

    /// As [`Decoder::learn`], with a schema that is parsed already: for whoever holds a lock.
    pub fn keep(&mut self, id: SchemaId, WriterSchema(writer): WriterSchema) {
        self.know(id, writer);
    }

    fn know(&mut self, id: SchemaId, writer: Writer) {
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
            Some(Writer::Absent) => Err(DecodeError::NoSuchSchema(id)),
            Some(Writer::Foreign(name)) => Err(DecodeError::ForeignSchema(id, name.clone())),
            Some(Writer::Ours(schema)) => schema.read_event(datum),
        }
    }
}

/// What an id means, parsed.
pub struct WriterSchema(Writer);

impl WriterSchema {
    /// Parses the writer's schema, which takes a while.
    pub fn parse(schema: &str) -> Self {
        Self(match schema.parse::<Schema>() {
            Ok(parsed) => match EventType::from_full_name(&record_name(schema)) {
                Some(event_type) => OurSchema::of(event_type, schema, parsed),
                None => Writer::Foreign(record_name(schema)),
            },
            Err(error) => Writer::Foreign(format!("no readable Avro schema ({error})")),
        })
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

impl OurSchema {
    fn read_event(&self, datum: &[u8]) -> Result<Event, DecodeError> {
        match self.event_type {
            EventType::OrderPlaced => self.read::<OrderPlaced>(datum),
            EventType::OrderCancelRequested => self.read::<OrderCancelRequested>(datum),
            EventType::OrderConfirmed => self.read::<OrderConfirmed>(datum),
            EventType::OrderRejected => self.read::<OrderRejected>(datum),
            EventType::OrderCancelled => self.read::<OrderCancelled>(datum),
            EventType::ProductUpserted => self.read::<ProductUpserted>(datum),
            EventType::StockReceived => self.read::<StockReceived>(datum),
            tombstone @ EventType::ProductDelisted => Err(DecodeError::HasValue(tombstone.name())),
        }
    }

    /// Nearly every record is as this build writes it. All others, and all that is wrong, are for
    /// the reader that follows the writer's schema.
    fn read<E: Datum + DeserializeOwned + Into<Event>>(
        &self,
        datum: &[u8],
    ) -> Result<Event, DecodeError> {
        let as_written = if self.is_current { read_as_written::<E>(datum) } else { None };
        match as_written {
            Some(event) => Ok(event.into()),
            None => self.read_by_schema::<E>(datum).map(Into::into),
        }
    }

    fn read_by_schema<E: DeserializeOwned>(&self, datum: &[u8]) -> Result<E, DecodeError> {
        use serde_avro_fast::de::read::SliceRead;
        use serde_avro_fast::de::{DeserializerConfig, DeserializerState};

        let name = self.event_type.name();
        let mut config = DeserializerConfig::new(&self.parsed);
        config.max_seq_size = ENTRIES_MAX;
        let mut state = DeserializerState::with_config(SliceRead::new(datum), config);
        let event =
            E::deserialize(state.deserializer()).map_err(|e| DecodeError::Datum(name, e))?;
        // The reader of a slice is at its end, or hands out all that is left.
        let mut rest: SliceRead<'_> = state.into_reader();
        match rest.fill_buf().map_or(0, <[u8]>::len) {
            0 => Ok(event),
            left => Err(DecodeError::TrailingBytes(name, left)),
        }
    }
}

fn read_as_written<E: Datum>(mut datum: &[u8]) -> Option<E> {
    E::read(&mut datum).filter(|_| datum.is_empty())
}

#[cfg(test)]
mod tests {
    use std::fmt::Debug;
    use std::path::Path;

    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::{Index, select};
    use serde::Serialize;

    use super::*;

    /// The datums of the golden corpus that are of the schema of this build.
    fn corpus() -> Vec<(EventType, Vec<u8>)> {
        let mut found = Vec::new();
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
        for event_type in EventType::ALL {
            let files = folder.join(event_type.file_name());
            for file in std::fs::read_dir(files).unwrap().map(|file| file.unwrap().path()) {
                if file.extension().is_some_and(|kind| kind == "bin") {
                    found.push((event_type, std::fs::read(file).unwrap()[HEADER_BYTES..].to_vec()));
                }
            }
        }
        found
    }

    /// What both readers make of a datum.
    fn read_twice<E>(event_type: EventType, datum: &[u8]) -> (Option<Event>, Option<Event>)
    where
        E: Datum + DeserializeOwned + Into<Event> + Serialize + PartialEq + Debug,
    {
        let schema = OurSchema::new(event_type, event_type.schema().parse().unwrap());
        let by_schema = schema.read_by_schema::<E>(datum).ok();
        if let Some(event) = &by_schema {
            let mut config = serde_avro_fast::ser::SerializerConfig::new(&schema.parsed);
            let expected = serde_avro_fast::to_datum_vec(event, &mut config).unwrap();
            let mut written = Vec::new();
            event.write(&mut written);
            assert_eq!(written, expected);
            assert_eq!(read_as_written::<E>(&written).as_ref(), Some(event));
        }
        (read_as_written::<E>(datum).map(Into::into), by_schema.map(Into::into))
    }

    fn both(event_type: EventType, datum: &[u8]) -> (Option<Event>, Option<Event>) {
        let read = match event_type {
            EventType::OrderPlaced => read_twice::<OrderPlaced>,
            EventType::OrderCancelRequested => read_twice::<OrderCancelRequested>,
            EventType::OrderConfirmed => read_twice::<OrderConfirmed>,
            EventType::OrderRejected => read_twice::<OrderRejected>,
            EventType::OrderCancelled => read_twice::<OrderCancelled>,
            EventType::ProductUpserted => read_twice::<ProductUpserted>,
            EventType::StockReceived => read_twice::<StockReceived>,
            EventType::ProductDelisted => panic!("a tombstone has no datum"),
        };
        read(event_type, datum)
    }

    #[test]
    fn the_golden_corpus_is_read_without_looking_at_a_schema() {
        for (event_type, datum) in corpus() {
            let (as_written, by_schema) = both(event_type, &datum);
            assert!(as_written.is_some() && as_written == by_schema, "{event_type:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4096))]

        /// What the reader without a schema takes, the one with it takes too, and for the same.
        #[test]
        fn no_damage_makes_the_two_readers_differ(
            (event_type, mut datum) in select(corpus()),
            damage in vec((any::<Index>(), any::<u8>()), 0..4),
            length in any::<Index>(),
            is_cut in any::<bool>(),
        ) {
            for (index, byte) in damage {
                let index = index.index(datum.len());
                datum[index] = byte;
            }
            if is_cut {
                datum.truncate(length.index(datum.len()));
            }
            let (as_written, by_schema) = both(event_type, &datum);
            if as_written.is_some() {
                prop_assert_eq!(as_written, by_schema);
            }
        }
    }
}
