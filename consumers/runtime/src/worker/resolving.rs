//! How a worker gets to know the schemas that a batch was written with, and which partitions wait for
//! one: alone, at the record that needs it.

use std::collections::BTreeSet;
use std::sync::Arc;

use events_schema::wire::SchemaId;
use schema_registry::RegistryError;

use crate::ownership::stop::Stop;
use crate::partition::TopicPartition;
use crate::projection::Projection;
use crate::record::Record;
use crate::worker::event_loop::Worker;

impl<P: Projection> Worker<P> {
    /// Asks the registry for the schemas that the batch needs. What cannot be told now stays
    /// unresolved, and so does what follows it in its partition.
    pub(crate) async fn resolve(&mut self) {
        let unknown = self.decode();
        if unknown.is_empty() {
            return self.pending.hold_none();
        }
        let schemas = &self.workers.shared.schemas;
        let learn = |id| {
            let schemas = Arc::clone(schemas);
            async move { schemas.learn(id).await }
        };
        let mut foreign = Vec::new();
        for (id, answer) in self.schema_requests.ask(unknown, learn).await {
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
        for (id, error) in foreign {
            let of = |r: &&mut Record| r.needs() == Some(id);
            self.pending.records.iter_mut().filter(of).for_each(|record| record.is_foreign(&error));
        }
        self.decode();
        self.pending.hold_unresolved();
    }

    /// The partitions whose next record cannot be read yet, where nothing else is to be applied.
    pub(crate) fn unresolved_partitions(&self) -> Vec<(TopicPartition, Stop)> {
        let unresolved = self.pending.records.iter();
        let mut seen = BTreeSet::new();
        let first = unresolved.filter(|record| seen.insert(record.source.topic_partition()));
        let stop = |record: &Record| {
            record.needs().map(|id| (record.source.topic_partition(), Stop::SchemaUnknown { id }))
        };
        first.filter_map(stop).collect()
    }

    /// Decodes what waits for a schema that is known by now; says which are not.
    fn decode(&mut self) -> BTreeSet<SchemaId> {
        let schemas = &self.workers.shared.schemas;
        let waiting = self.pending.records.iter_mut().filter(|r| r.needs().is_some());
        let decode = |record: &mut Record| {
            schemas.decode(record);
            record.needs()
        };
        waiting.filter_map(decode).collect()
    }
}
