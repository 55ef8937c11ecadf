//! The partitions that stand still at a worker of this process: said once each, in the log, to
//! readiness and in a metric. Stops none.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chassis::health::{Dependency, Health};

use crate::metrics::Metrics;
use crate::ownership::stop::Stop;
use crate::partition::TopicPartition;
use crate::topic_names::TopicNames;

pub(crate) struct StoppedPartitions {
    health: Health,
    metrics: Arc<Metrics>,
    names: TopicNames,
    stopped: Mutex<BTreeMap<TopicPartition, StoppedPartition>>,
}

struct StoppedPartition {
    worker: usize,
    state: &'static str,
    dependency: Dependency,
}

impl StoppedPartitions {
    pub(crate) fn new(health: Health, metrics: Arc<Metrics>, names: TopicNames) -> Self {
        Self { health, metrics, names, stopped: Mutex::default() }
    }

    /// A partition stands still. Said once, however often it is looked at.
    pub(crate) fn stop(&self, worker: usize, key: TopicPartition, stop: &Stop) {
        let (topic, partition, state) = (self.names.name(key.topic), key.number(), stop.state());
        let mut stopped = self.lock();
        if stopped.get(&key).is_some_and(|now| now.worker == worker && now.state == state) {
            return;
        }
        tracing::error!(topic, partition, state, %stop, "partition stopped");
        let dependency = self.health.dependency(format!("{topic}/{partition}"));
        dependency.down(stop.to_string());
        if let Some(before) = stopped.insert(key, StoppedPartition { worker, state, dependency }) {
            self.metrics.stopped(topic, partition, before.state, false);
        }
        self.metrics.stopped(topic, partition, state, true);
    }

    /// A partition does not stand still at this worker, or no longer.
    pub(crate) fn resume(&self, worker: usize, key: TopicPartition) {
        let mut stopped = self.lock();
        if stopped.get(&key).is_some_and(|stopped| stopped.worker == worker)
            && let Some(StoppedPartition { state, dependency, .. }) = stopped.remove(&key)
        {
            dependency.forget();
            self.metrics.stopped(self.names.name(key.topic), key.number(), state, false);
        }
    }

    /// A worker gave up its client: what stood still there may be another worker's by now.
    pub(crate) fn resume_all(&self, worker: usize) {
        let keys: Vec<TopicPartition> = self.lock().keys().copied().collect();
        for key in keys {
            self.resume(worker, key);
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<TopicPartition, StoppedPartition>> {
        self.stopped.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
