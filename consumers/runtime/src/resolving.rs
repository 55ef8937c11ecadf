//! How a worker gets to know the schemas that a batch was written with.

use std::collections::BTreeSet;
use std::sync::PoisonError;

use events_schema::registry::RegistryError;
use events_schema::wire::SchemaId;

use crate::projection::Projection;
use crate::record::Record;
use crate::worker::{Setback, Worker};

impl<P: Projection> Worker<P> {
    /// Asks the registry for the schemas that the batch needs and nobody asked for before.
    pub(crate) async fn resolve(&mut self) -> Result<(), Setback> {
        for id in self.decode() {
            match self.shared.learn(id).await {
                Ok(()) => self.shared.schemas.up(),
                Err(RegistryError::Unavailable { url, cause }) => {
                    self.shared.schemas.down("the registry is not available");
                    return Err(Setback::Wait(format!("the registry at {url}: {cause}")));
                }
                Err(error) => {
                    // It answered.
                    self.shared.schemas.up();
                    let of = |r: &&mut Record| r.needs() == Some(id);
                    let records = self.pending.records.iter_mut();
                    records.filter(of).for_each(|record| record.is_foreign(&error));
                }
            }
        }
        self.decode();
        Ok(())
    }

    /// Decodes what waits for a schema that is known by now; says which are not.
    fn decode(&mut self) -> BTreeSet<SchemaId> {
        let mut waiting =
            self.pending.records.iter_mut().filter(|r| r.needs().is_some()).peekable();
        if waiting.peek().is_none() {
            return BTreeSet::new();
        }
        let decoder = self.shared.decoder.read().unwrap_or_else(PoisonError::into_inner);
        let decode = |record: &mut Record| {
            record.decode(&decoder, P::EVENTS);
            record.needs()
        };
        waiting.filter_map(decode).collect()
    }
}
