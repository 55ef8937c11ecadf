//! From a record's value to an event, asking for schemas as they turn up. Reads no log.

use std::path::PathBuf;
use std::sync::OnceLock;

use events_schema::reading::{Invalid, LogRecord, Read};
use events_schema::wire::{DecodeError, Decoder, SchemaId};
use events_schema::{Event, Timestamp};
use schema_registry::{Registry, RegistryError};
use tokio::runtime::Handle;

/// Decodes records; remembers every schema it was told, and every one that does not exist.
pub(crate) struct Decoding<A> {
    decoder: Decoder,
    ask: A,
}

/// When a record was written, from what Kafka says.
pub(crate) fn written_at(millis: Option<i64>) -> Timestamp {
    Timestamp::from_micros(millis.unwrap_or_default().saturating_mul(1000))
}

/// Asks the registry. To be used outside of an async context only.
pub(crate) fn asking(registry: Registry) -> impl Fn(SchemaId) -> Result<String, RegistryError> {
    let runtime = Handle::current();
    move |id| runtime.block_on(registry.schema(id))
}

/// A registry that is made when it is asked first, by whichever thread that is.
pub(crate) struct Later {
    url: String,
    cache: PathBuf,
    made: OnceLock<Result<Registry, RegistryError>>,
}

impl Later {
    pub(crate) fn new((url, cache): (String, PathBuf)) -> Self {
        Self { url, cache, made: OnceLock::new() }
    }

    /// Makes it, unless it is there.
    pub(crate) fn get(&self) -> Result<&Registry, &RegistryError> {
        self.made.get_or_init(|| Registry::new(&self.url, &self.cache)).as_ref()
    }

    /// As [`asking`].
    pub(crate) fn asking(&self) -> impl Fn(SchemaId) -> Result<String, RegistryError> {
        let runtime = Handle::current();
        move |id| match self.get() {
            Ok(registry) => runtime.block_on(registry.schema(id)),
            Err(error) => Err(error.clone()),
        }
    }
}

impl<A: Fn(SchemaId) -> Result<String, RegistryError>> Decoding<A> {
    pub(crate) fn new(ask: A) -> Self {
        Self { decoder: Decoder::default(), ask }
    }

    /// What the record is, by the rule of its topic. An error is not the record's: the registry is
    /// away.
    pub(crate) fn read(&mut self, record: &LogRecord<'_>) -> Result<Read, RegistryError> {
        let needs = |read: &Read| read.event.as_ref().err().and_then(Invalid::needs);
        self.taught(|decoder| record.read(decoder), needs)
    }

    /// As [`Self::read`], for whoever asks for no subject.
    pub(crate) fn event(
        &mut self,
        record: &LogRecord<'_>,
    ) -> Result<Result<Event, Invalid>, RegistryError> {
        let needs = |event: &Result<_, Invalid>| event.as_ref().err().and_then(Invalid::needs);
        self.taught(|decoder| record.event(decoder), needs)
    }

    /// The event of a value that stands in no topic of ours, or why it is none.
    pub(crate) fn value(
        &mut self,
        value: &[u8],
    ) -> Result<Result<Event, DecodeError>, RegistryError> {
        let needs = |decoded: &Result<_, DecodeError>| match decoded {
            Err(DecodeError::UnknownSchema(id)) => Some(*id),
            _ => None,
        };
        self.taught(|decoder| decoder.decode(value), needs)
    }

    /// What comes of it, once more where it needed a schema that was not known.
    fn taught<T>(
        &mut self,
        decode: impl Fn(&Decoder) -> T,
        needs: impl Fn(&T) -> Option<SchemaId>,
    ) -> Result<T, RegistryError> {
        let decoded = decode(&self.decoder);
        let Some(id) = needs(&decoded) else { return Ok(decoded) };
        self.learn(id)?;
        Ok(decode(&self.decoder))
    }

    fn learn(&mut self, id: SchemaId) -> Result<(), RegistryError> {
        match (self.ask)(id) {
            Ok(schema) => self.decoder.learn(id, &schema),
            // An id that the registry will not talk about is as good as none.
            Err(RegistryError::NotFound(_) | RegistryError::Refused { .. }) => {
                self.decoder.learn_absent(id);
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn a_schema_that_does_not_exist_is_asked_for_once() {
        let asked = Cell::new(0);
        let mut decoding = Decoding::new(|id| {
            asked.set(asked.get() + 1);
            Err(RegistryError::NotFound(format!("schema id {id}")))
        });
        for _ in 0..2 {
            let cause = decoding.value(&[0, 0, 0, 0, 9, 1]).unwrap().unwrap_err();
            assert_eq!(cause.to_string(), "the schema registry knows no schema id 9");
        }
        assert_eq!(asked.get(), 1);
    }

    #[test]
    fn a_schema_that_the_registry_refuses_is_the_records_fault() {
        let refuse = |id| {
            Err(RegistryError::Refused { subject: format!("schema id {id}"), cause: "c".into() })
        };
        assert!(Decoding::new(refuse).value(&[0, 0, 0, 0, 9, 1]).unwrap().is_err());
    }

    #[test]
    fn a_registry_that_is_away_is_not_the_records_fault() {
        let away = |_| Err(RegistryError::Unavailable { url: "u".into(), cause: "c".into() });
        assert!(Decoding::new(away).value(&[0, 0, 0, 0, 9, 1]).is_err());
    }
}
