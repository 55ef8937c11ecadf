//! What the workers of one process share. Every part of it is safe to use from any of them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use chassis::Process;
use chassis::health::Dependency;
use events_schema::wire::{Decoder, Encoder, SchemaId, WriterSchema};
use schema_registry::{Registry, RegistryError};
use sqlx::PgPool;
use tokio::sync::{Notify, watch};

use crate::after::publish::Publishing;
use crate::backoff::{DELAY_MAX, DELAY_MIN};
use crate::batch::decide_batch::{Bench, Outcomes};
use crate::faults;
use crate::log::identity::Identity;
use crate::metrics::Metrics;
use crate::ownership::owned_partitions::TopicPartition;
use crate::ownership::stop::Stop;
use crate::projection::Projection;
use crate::record::Record;
use crate::settings::RuntimeSettings;
use crate::topic_names::TopicNames;
use crate::worker::circuit_breaker::CircuitBreaker;

pub(crate) struct Shared<P: Projection> {
    pub process: Process,
    pub settings: RuntimeSettings,
    pub identity: Identity,
    pub pool: PgPool,
    pub names: TopicNames,
    pub registry: Registry,
    pub decoder: Arc<RwLock<Decoder>>,
    pub encoder: Encoder,
    pub source: String,
    pub metrics: Arc<Metrics>,
    pub postgres: Dependency,
    pub circuit_breaker: CircuitBreaker,
    pub kafka: Dependency,
    pub schemas: Dependency,
    /// For what runs beside the workers.
    pub committed: Arc<Notify>,
    /// For the outbox.
    pub follow_ups: Notify,
    pub held: Mutex<BTreeMap<usize, Vec<TopicPartition>>>,
    /// What the publisher is at.
    pub publishing: watch::Sender<Publishing>,
    pub stopped: Mutex<BTreeMap<TopicPartition, StoppedPartition>>,
    pub projection: std::marker::PhantomData<fn() -> P>,
}

/// A partition that stands still at a worker of this process.
pub(crate) struct StoppedPartition {
    worker: usize,
    state: &'static str,
    dependency: Dependency,
}

impl<P: Projection> Shared<P> {
    pub(crate) fn bench(&self) -> Bench<'_> {
        let (pool, names, encoder) = (&self.pool, &self.names, &self.encoder);
        Bench { pool, names, encoder, source: &self.source }
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
        record.decode(&decoder, P::EVENTS);
    }

    /// A batch was committed: count it and wake whoever waits for new rows.
    pub(crate) fn committed(&self, outcomes: Outcomes) {
        self.metrics.count(outcomes);
        self.wake(outcomes.follow_ups);
    }

    /// Wakes who waits for rows, and for events to be published.
    pub(crate) fn wake(&self, follow_ups: usize) {
        self.committed.notify_waiters();
        self.committed.notify_one();
        if follow_ups > 0 {
            self.follow_ups.notify_one();
        }
    }

    /// Notes which partitions a worker holds: their outbox rows are this process's to publish.
    pub(crate) fn hold(&self, worker: usize, keys: Vec<TopicPartition>) {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).insert(worker, keys);
        self.follow_ups.notify_one();
    }

    pub(crate) fn held_by(&self, worker: usize) -> Vec<TopicPartition> {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.get(&worker).cloned().unwrap_or_default()
    }

    pub(crate) fn held_keys(&self) -> Vec<TopicPartition> {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.values().flatten().copied().collect()
    }

    /// A partition stands still. Said once, however often it is looked at.
    pub(crate) fn stop(&self, worker: usize, key: TopicPartition, stop: &Stop) {
        let (topic, state) = (self.names.name(key.0), stop.state());
        let mut stopped = self.stopped();
        if stopped.get(&key).is_some_and(|now| now.worker == worker && now.state == state) {
            return;
        }
        tracing::error!(topic, partition = key.1, state, %stop, "partition stopped");
        let dependency = self.process.health.dependency(format!("{topic}/{}", key.1));
        dependency.down(stop.to_string());
        if let Some(before) = stopped.insert(key, StoppedPartition { worker, state, dependency }) {
            self.metrics.stopped(topic, key.1, before.state, false);
        }
        self.metrics.stopped(topic, key.1, state, true);
    }

    /// A partition does not stand still at this worker, or no longer.
    pub(crate) fn resume(&self, worker: usize, key: TopicPartition) {
        let mut stopped = self.stopped();
        if stopped.get(&key).is_some_and(|stopped| stopped.worker == worker)
            && let Some(StoppedPartition { state, dependency, .. }) = stopped.remove(&key)
        {
            dependency.forget();
            self.metrics.stopped(self.names.name(key.0), key.1, state, false);
        }
    }

    /// A worker gave up its client: what stood still there may be another worker's by now.
    pub(crate) fn resume_all(&self, worker: usize) {
        let keys: Vec<TopicPartition> = self.stopped().keys().copied().collect();
        for key in keys {
            self.resume(worker, key);
        }
    }

    fn stopped(&self) -> MutexGuard<'_, BTreeMap<TopicPartition, StoppedPartition>> {
        self.stopped.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How often a start that the registry is missing for asks again.
const ASK_AGAIN: std::time::Duration = std::time::Duration::from_secs(1);

impl<P: Projection> Shared<P> {
    /// Gathers what the workers share. Waits for the schema ids of what the projection publishes,
    /// from the disk or the registry; `None` when the process is stopped before they came.
    pub(crate) async fn start(
        context: crate::ServiceContext,
        settings: RuntimeSettings,
    ) -> anyhow::Result<Option<Self>> {
        let registry = Registry::within(
            faults::registry_limit(),
            &settings.registry_url,
            &settings.schema_cache,
        )?;
        let health = &context.process.health;
        let (postgres, kafka) = (health.dependency("postgres"), health.dependency("kafka"));
        let schemas = health.dependency("schemas");
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
            registry,
            decoder: Arc::default(),
            encoder: Encoder::new(ids),
            source: format!("/{}", P::NAME),
            metrics: Arc::new(Metrics::new(P::NAME)),
            postgres,
            circuit_breaker: CircuitBreaker::unproven(P::NAME, "postgres", DELAY_MIN, DELAY_MAX),
            kafka,
            schemas,
            committed: context.committed,
            follow_ups: Notify::new(),
            held: Mutex::default(),
            publishing: watch::Sender::default(),
            stopped: Mutex::default(),
            projection: std::marker::PhantomData,
            identity: Identity::take(&settings.worker_id, &settings.kafka.prefixed(P::NAME)),
            process: context.process,
            settings,
        }))
    }
}
