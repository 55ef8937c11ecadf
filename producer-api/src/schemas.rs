//! The encoder, as soon as the registry or the disk says under which ids our schemas are
//! registered. Registers nothing.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use chassis::Process;
use chassis::health::Dependency;
use events_schema::EventType;
use events_schema::wire::Encoder;
use schema_registry::Registry;

/// What this service writes.
const WRITTEN: [EventType; 4] = [
    EventType::OrderPlaced,
    EventType::OrderCancelRequested,
    EventType::ProductUpserted,
    EventType::StockReceived,
];
/// Between two questions to a registry that gave no answer.
const PAUSE: Duration = Duration::from_secs(1);

/// The encoder, empty until the ids are known. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct Schemas(Arc<OnceLock<Encoder>>);

impl Schemas {
    /// The encoder, once there is one.
    pub(crate) fn encoder(&self) -> Option<&Encoder> {
        self.0.get()
    }

    /// Asks until the ids are known, or the process stops.
    pub(crate) async fn learn(self, registry: Arc<Registry>, process: Process) {
        let dependency = process.health.dependency("schema-registry");
        let learn = async {
            while !self.try_learn(&registry, &dependency).await {
                tokio::time::sleep(PAUSE).await;
            }
        };
        tokio::select! {
            () = learn => {}
            () = process.shutdown.cancelled() => {}
        }
    }

    async fn try_learn(&self, registry: &Registry, dependency: &Dependency) -> bool {
        match registry.schema_ids(WRITTEN).await {
            Ok(ids) => {
                // Only this task sets it.
                let _ = self.0.set(Encoder::new(ids));
                dependency.up();
                true
            }
            Err(error) => {
                dependency.down(error.to_string());
                false
            }
        }
    }
}
