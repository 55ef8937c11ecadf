//! What the workers of one process share, beside what every part of it does. Applies nothing.

use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use chassis::health::Dependency;

use crate::backoff::DELAYS;
use crate::log::identity::Identity;
use crate::ownership::handover::Handover;
use crate::ownership::stopped_partitions::StoppedPartitions;
use crate::projection::Projection;
use crate::shared::Shared;
use crate::worker::circuit_breaker::CircuitBreaker;

pub(crate) struct Workers<P: Projection> {
    pub shared: Arc<Shared>,
    pub handover: Arc<Handover>,
    pub stopped: StoppedPartitions,
    pub postgres: Postgres,
    pub identity: Identity,
    projection: PhantomData<fn() -> P>,
}

impl<P: Projection> Workers<P> {
    pub(crate) fn new(shared: Arc<Shared>, handover: Arc<Handover>) -> Self {
        let (health, settings) = (&shared.process.health, &shared.settings);
        let metrics = Arc::clone(&shared.metrics);
        Self {
            stopped: StoppedPartitions::new(health.clone(), metrics, shared.names.clone()),
            postgres: Postgres {
                health: health.dependency("postgres"),
                breaker: CircuitBreaker::unproven(P::NAME, "postgres", DELAYS),
            },
            identity: Identity::take(&settings.worker_id, &settings.kafka.prefixed(P::NAME)),
            handover,
            projection: PhantomData,
            shared,
        }
    }
}

/// Whether the database is there, as far as the workers know: for readiness, and for one another.
pub(crate) struct Postgres {
    pub health: Dependency,
    breaker: CircuitBreaker,
}

impl Postgres {
    /// While the database is away one worker of the process tries, and the others wait for it.
    pub(crate) fn permits(&self, probe_max: Duration) -> bool {
        self.breaker.permits(probe_max)
    }

    /// It dealt with what it was asked, whatever it said of it.
    pub(crate) fn answered(&self) {
        self.health.up();
        self.breaker.dealt_with();
    }

    pub(crate) fn failed(&self) {
        self.health.down("not available");
        self.breaker.failed();
    }
}
