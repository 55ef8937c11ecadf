//! How a worker gets to know the schemas that a batch was written with, and which partitions wait for
//! one: alone, at the record that needs it.

use std::collections::BTreeSet;
use std::sync::Arc;

use events_schema::wire::SchemaId;
use schema_registry::RegistryError;

use crate::batch::pending::Pending;
use crate::log::schema_requests::SchemaRequests;
use crate::ownership::stop::Stop;
use crate::partition::TopicPartition;
use crate::record::Record;
use crate::schemas::Schemas;

pub(crate) struct SchemaResolver {
    schemas: Arc<Schemas>,
    requests: SchemaRequests,
}

impl SchemaResolver {
    pub(crate) fn new(schemas: Arc<Schemas>) -> Self {
        Self { schemas, requests: SchemaRequests::default() }
    }

    /// Asks the registry for the schemas that the batch needs. What cannot be told now stays
    /// unresolved, and so does what follows it in its partition.
    pub(crate) async fn resolve(&mut self, pending: &mut Pending) {
        let unknown = self.decode(pending);
        if unknown.is_empty() {
            return pending.hold_none();
        }
        for (id, error) in self.ask(unknown).await {
            let of = |r: &&mut Record| r.needs() == Some(id);
            pending.records.iter_mut().filter(of).for_each(|record| record.is_foreign(&error));
        }
        self.decode(pending);
        pending.hold_unresolved();
    }

    /// Says which of these are no schemas of ours, and why.
    async fn ask(&mut self, unknown: BTreeSet<SchemaId>) -> Vec<(SchemaId, RegistryError)> {
        let schemas = &self.schemas;
        let learn = |id| {
            let schemas = Arc::clone(schemas);
            async move { schemas.learn(id).await }
        };
        let mut foreign = Vec::new();
        for (id, answer) in self.requests.ask(unknown, learn).await {
            match answer {
                Ok(()) => schemas.health.up(),
                Err(error @ RegistryError::Unavailable { .. }) => {
                    schemas.health.down("the registry is not available");
                    tracing::warn!(%error, id, "a schema is not known yet");
                }
                Err(error) => {
                    // It answered.
                    schemas.health.up();
                    foreign.push((id, error));
                }
            }
        }
        foreign
    }

    /// Decodes what waits for a schema that is known by now; says which are not.
    fn decode(&self, pending: &mut Pending) -> BTreeSet<SchemaId> {
        let waiting = pending.records.iter_mut().filter(|r| r.needs().is_some());
        let decode = |record: &mut Record| {
            self.schemas.decode(record);
            record.needs()
        };
        waiting.filter_map(decode).collect()
    }
}

/// The partitions whose next record cannot be read yet, where nothing else is to be applied.
pub(crate) fn unresolved(records: &[Record]) -> Vec<(TopicPartition, Stop)> {
    let mut seen = BTreeSet::new();
    let first = records.iter().filter(|record| seen.insert(record.source.topic_partition()));
    let stop = |record: &Record| {
        record.needs().map(|id| (record.source.topic_partition(), Stop::SchemaUnknown { id }))
    };
    first.filter_map(stop).collect()
}
