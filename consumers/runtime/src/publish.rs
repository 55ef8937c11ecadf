//! The loop around the outbox's courier: after each batch with follow-ups, and once a second for
//! what an earlier owner left.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use rdkafka::producer::{FutureProducer, Producer};

use crate::group::BrokerWatch;
use crate::outbox::{self, OutboxCourier, Published};
use crate::projection::Projection;
use crate::shared::Shared;

const IDLE: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(5);
/// How long the last events may take when the process stops.
const FLUSH: Duration = Duration::from_secs(10);

/// Publishes until shutdown.
pub(crate) async fn keep_publishing<P: Projection>(shared: Arc<Shared<P>>) -> anyhow::Result<()> {
    let mut courier = OutboxCourier { pool: shared.pool.clone(), producer: producer(&shared)? };
    let shutdown = shared.process.shutdown.clone();
    let mut pause = Duration::ZERO;
    while !shutdown.is_cancelled() {
        let held = outbox::held(&shared.names, shared.held_keys().into_iter());
        let attempt = tokio::select! {
            () = shutdown.cancelled() => break,
            attempt = courier.try_publish_next(&held) => attempt,
        };
        pause = match attempt {
            Ok(Published::Sent(count)) => {
                shared.metrics.published.increment(count as u64);
                continue;
            }
            Ok(Published::Empty) => IDLE,
            Err(error) => {
                tracing::warn!(%error, "outbox waits");
                // After a fatal error a producer only refuses. The rows are still there.
                if courier.producer.client().fatal_error().is_some() {
                    courier.producer = producer(&shared)?;
                }
                (pause * 2).clamp(Duration::from_millis(50), PAUSE_MAX)
            }
        };
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = shared.follow_ups.notified() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
    let flush = tokio::task::spawn_blocking(move || courier.producer.flush(FLUSH));
    flush.await?.context("events were left in the outbox; the next start publishes them")
}

fn producer<P: Projection>(shared: &Shared<P>) -> anyhow::Result<FutureProducer<BrokerWatch>> {
    let brokers = BrokerWatch { kafka: shared.kafka.clone() };
    // No time-out: the rows stay in the outbox until they are answered.
    let config = shared.settings.kafka.producer(P::NAME, None);
    config.create_with_context(brokers).context("could not create the producer")
}
