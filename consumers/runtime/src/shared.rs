//! What all parts of a consumer's process share: workers, publisher, copier and redriver. Every part of
//! it is safe to use from any of them. Knows none of them.

use std::sync::Arc;
use std::time::Duration;

use chassis::Process;
use chassis::health::Dependency;
use events_schema::wire::Encoder;
use schema_registry::Registry;
use sqlx::PgPool;
use tokio::sync::Notify;

use crate::metrics::Metrics;
use crate::projection::Projection;
use crate::schemas::Schemas;
use crate::settings::RuntimeSettings;
use crate::topic_names::TopicNames;

pub(crate) struct Shared {
    pub process: Process,
    pub settings: RuntimeSettings,
    pub pool: PgPool,
    pub names: TopicNames,
    pub schemas: Arc<Schemas>,
    pub encoder: Encoder,
    /// `ce_source` of what is published.
    pub source: String,
    pub metrics: Arc<Metrics>,
    pub kafka: Dependency,
    /// For what runs beside the workers.
    pub committed: Arc<Notify>,
    /// For the publisher.
    pub follow_ups: Arc<Notify>,
}

/// How often a start that the registry is missing for asks again.
const ASK_AGAIN: Duration = Duration::from_secs(1);

impl Shared {
    /// Gathers what the parts share. Waits for the schema ids of what the projection publishes,
    /// from the disk or the registry; `None` when the process is stopped before they came.
    pub(crate) async fn start<P: Projection>(
        context: crate::ServiceContext,
        settings: RuntimeSettings,
    ) -> anyhow::Result<Option<Self>> {
        let registry = Registry::new(&settings.registry_url, &settings.schema_cache)?;
        let health = &context.process.health;
        let (kafka, schemas) = (health.dependency("kafka"), health.dependency("schemas"));
        let ids = loop {
            match registry.schema_ids(P::PUBLISHES.iter().copied()).await {
                Ok(ids) => break ids,
                Err(error) => schemas.down(error.to_string()),
            }
            tokio::select! {
                () = context.process.shutdown.cancelled() => return Ok(None),
                () = tokio::time::sleep(ASK_AGAIN) => {}
            }
        };
        schemas.up();
        Ok(Some(Self {
            names: TopicNames::new(&settings.kafka),
            pool: context.pool,
            schemas: Arc::new(Schemas::new(registry, P::EVENTS, schemas)),
            encoder: Encoder::new(ids),
            source: format!("/{}", P::NAME),
            metrics: Arc::new(Metrics::new(P::NAME)),
            kafka,
            committed: context.committed,
            follow_ups: Arc::default(),
            process: context.process,
            settings,
        }))
    }

    /// Wakes who waits for rows, and for events to be published.
    pub(crate) fn wake(&self, follow_ups: usize) {
        self.committed.notify_waiters();
        self.committed.notify_one();
        if follow_ups > 0 {
            self.follow_ups.notify_one();
        }
    }
}
