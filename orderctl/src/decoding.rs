//! From a record's value to an event, asking for schemas as they turn up. Reads no log.

use std::collections::HashSet;

use events_schema::Event;
use events_schema::registry::{Registry, RegistryError};
use events_schema::wire::{DecodeError, Decoder, SchemaId};
use tokio::runtime::Handle;

/// Decodes records; remembers every schema it was told, and every one that does not exist.
pub(crate) struct Decoding<A> {
    decoder: Decoder,
    ask: A,
    absent: HashSet<SchemaId>,
}

/// Asks the registry. To be used outside of an async context only.
pub(crate) fn asking(registry: Registry) -> impl Fn(SchemaId) -> Result<String, RegistryError> {
    let runtime = Handle::current();
    move |id| runtime.block_on(registry.schema(id))
}

impl<A: Fn(SchemaId) -> Result<String, RegistryError>> Decoding<A> {
    pub(crate) fn new(ask: A) -> Self {
        Self { decoder: Decoder::default(), ask, absent: HashSet::new() }
    }

    /// The event, or in words why the value is none. An error is not the record's: the registry
    /// is away.
    pub(crate) fn read(
        &mut self,
        value: Option<&[u8]>,
    ) -> Result<Result<Event, String>, RegistryError> {
        let Some(value) = value else { return Ok(Err(DecodeError::NoValue.to_string())) };
        match self.decoder.decode(value) {
            Ok(event) => Ok(Ok(event)),
            Err(DecodeError::UnknownSchema(id)) => {
                if !self.learn(id)? {
                    return Ok(Err(format!("the schema registry knows no schema id {id}")));
                }
                Ok(self.decoder.decode(value).map_err(|error| error.to_string()))
            }
            Err(error) => Ok(Err(error.to_string())),
        }
    }

    fn learn(&mut self, id: SchemaId) -> Result<bool, RegistryError> {
        if self.absent.contains(&id) {
            return Ok(false);
        }
        match (self.ask)(id) {
            Ok(schema) => {
                self.decoder.learn(id, &schema);
                Ok(true)
            }
            // An id that the registry will not talk about is as good as none.
            Err(RegistryError::NotFound(_) | RegistryError::Refused { .. }) => {
                self.absent.insert(id);
                Ok(false)
            }
            Err(error) => Err(error),
        }
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
            let cause = decoding.read(Some(&[0, 0, 0, 0, 9, 1])).unwrap().unwrap_err();
            assert_eq!(cause, "the schema registry knows no schema id 9");
        }
        assert_eq!(asked.get(), 1);
    }

    #[test]
    fn a_schema_that_the_registry_refuses_is_the_records_fault() {
        let refuse = |id| {
            Err(RegistryError::Refused { subject: format!("schema id {id}"), cause: "c".into() })
        };
        assert!(Decoding::new(refuse).read(Some(&[0, 0, 0, 0, 9, 1])).unwrap().is_err());
    }

    #[test]
    fn a_registry_that_is_away_is_not_the_records_fault() {
        let away = |_| Err(RegistryError::Unavailable { url: "u".into(), cause: "c".into() });
        assert!(Decoding::new(away).read(Some(&[0, 0, 0, 0, 9, 1])).is_err());
    }
}
