//! The schemas that values were written with: those that are known, and how the others are asked for.
//! When to ask is not decided here.

use std::sync::{PoisonError, RwLock};

use chassis::health::Dependency;
use events_schema::wire::{Decoder, SchemaId, WriterSchema};
use schema_registry::{Registry, RegistryError};

use crate::record::{EventTypes, Record};

pub(crate) struct Schemas {
    registry: Registry,
    decoder: RwLock<Decoder>,
    /// What the projection wants to see decoded.
    event_types: EventTypes,
    pub health: Dependency,
}

impl Schemas {
    pub(crate) fn new(registry: Registry, event_types: EventTypes, health: Dependency) -> Self {
        Self { registry, decoder: RwLock::default(), event_types, health }
    }

    /// Asks the registry what a schema id means and tells the decoder.
    pub(crate) async fn learn(&self, id: SchemaId) -> Result<(), RegistryError> {
        let schema = self.registry.schema(id).await?;
        // Parsed before the lock is taken: every poll thread reads under it.
        let parsed = WriterSchema::parse(&schema);
        self.decoder.write().unwrap_or_else(PoisonError::into_inner).keep(id, parsed);
        Ok(())
    }

    /// Decodes a record with the schemas that are known by now.
    pub(crate) fn decode(&self, record: &mut Record) {
        let decoder = self.decoder.read().unwrap_or_else(PoisonError::into_inner);
        record.decode(&decoder, self.event_types);
    }

    /// For a test, which has no registry.
    #[cfg(test)]
    pub(crate) fn decoder(&self) -> std::sync::RwLockWriteGuard<'_, Decoder> {
        self.decoder.write().unwrap_or_else(PoisonError::into_inner)
    }
}
