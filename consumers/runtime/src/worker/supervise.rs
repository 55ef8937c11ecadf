//! Keeps a worker working: builds its client, and builds it anew when it is beyond repair or was
//! fenced. Stops with the process.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use postgres_client::Pinned;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::batch::partition_breaker::PartitionBreakers;
use crate::batch::pending::Pending;
use crate::broker_watch::BrokerWatch;
use crate::error::StoreError;
use crate::log::fetch_queues::FetchQueues;
use crate::log::fetching::Fetching;
use crate::log::group::{self, GroupContext};
use crate::log::lag_report::LagReport;
use crate::log::poll::{DRAIN, Poller};
use crate::log::standby::Standby;
use crate::log::starting::Starting;
use crate::ownership::assignments::Assignments;
use crate::ownership::positions;
use crate::projection::Projection;
use crate::worker::background::Background;
use crate::worker::event_loop::{PollerSide, Timing, Worker};
use crate::worker::schema_resolver::SchemaResolver;
use crate::worker::step_error::WorkerError;
use crate::worker::workers::{Postgres, Workers};

/// A poll thread or worker that is silent for this long is stuck.
const STUCK: Duration = Duration::from_secs(60);
/// Pause before a client is built anew after an error.
const REBUILD: Duration = Duration::from_secs(1);

/// Runs worker number `index` until shutdown.
pub(crate) async fn keep_working<P: Projection>(
    workers: Arc<Workers<P>>,
    index: usize,
) -> anyhow::Result<()> {
    let shutdown = workers.shared.process.shutdown.clone();
    while !shutdown.is_cancelled() {
        if let Err(error) = positions::probe(&workers.shared.pool).await {
            workers.postgres.health.down(error.to_string());
            pause(&shutdown).await;
            continue;
        }
        workers.postgres.health.up();
        let ended = work_once(&workers, index, shutdown.child_token()).await;
        workers.stopped.resume_all(index);
        if shutdown.is_cancelled() {
            break;
        }
        workers.handover.hold(index, Vec::new());
        match ended {
            Ok(()) => continue,
            Err(error) => {
                let error = format!("{error:#}");
                tracing::warn!(worker = index, error, "worker starts anew");
            }
        }
        pause(&shutdown).await;
    }
    Ok(())
}

/// How long the last events may take before the group is left.
const HAND_OVER: Duration = Duration::from_secs(2);

async fn pause(shutdown: &CancellationToken) {
    tokio::select! {
        () = shutdown.cancelled() => {}
        () = tokio::time::sleep(REBUILD) => {}
    }
}

/// One life of a client: from joining the group to leaving it.
async fn work_once<P: Projection>(
    workers: &Arc<Workers<P>>,
    index: usize,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let shared = &workers.shared;
    let consumer = Arc::new(join_group(workers, index)?);
    let (poller, mut worker) = set_up(workers, index, &consumer, stop.clone());
    let thread = std::thread::Builder::new()
        .name(format!("poll {index}"))
        .spawn(move || poller.run())
        .context("could not start the poll thread")?;
    worker.poller.thread = Some(thread.thread().clone());
    let worked = tokio::select! {
        worked = worker.run() => worked,
        () = overdue(&stop) => Ok(()),
    };
    stop.cancel();
    // They hold the client.
    while worker.background.answer().await.is_some() {}
    if shared.process.shutdown.is_cancelled() {
        hand_over(workers, index).await;
    }
    drop(worker);
    let leaves = shared.process.shutdown.is_cancelled() && shared.settings.leave_on_stop;
    let polled = tokio::task::spawn_blocking(move || {
        let polled = thread.join();
        let is_displaced = group::is_displaced(&consumer);
        if leaves && !is_displaced {
            group::leave(&consumer);
        }
        // Leaves the group: only now, when no batch of it is under way.
        drop(consumer);
        (polled, is_displaced)
    });
    let (polled, is_displaced) = polled.await?;
    if is_displaced {
        workers.identity.lose(P::NAME, index, &shared.process.health);
    }
    let polled = polled.map_err(|_| anyhow::anyhow!("the poll thread panicked"))?;
    report(&workers.postgres, worked)?;
    polled.map_err(explain)
}

/// Publishes what the last batches left while the partitions are still this worker's, as long as that
/// is a matter of moments, and leaves the rest to their next owner.
async fn hand_over<P: Projection>(workers: &Workers<P>, index: usize) {
    let handover = &workers.handover;
    let keys = handover.held_by(index);
    if handover.has_publisher() && !keys.is_empty() {
        let _ = tokio::time::timeout(HAND_OVER, handover.published(&keys)).await;
    }
    handover.hold(index, Vec::new());
    let _ = tokio::time::timeout(HAND_OVER, handover.left(&keys)).await;
}

/// A batch that has not ended this long after it should have stopped is given up: its transaction
/// is rolled back, or its commit is found in the positions at the next start.
async fn overdue(stop: &CancellationToken) {
    stop.cancelled().await;
    tokio::time::sleep(DRAIN).await;
}

/// Records that are decoded beyond the next batch: so many at least are taken in one go.
const AHEAD_MAX: usize = 256;

fn set_up<P: Projection>(
    workers: &Arc<Workers<P>>,
    index: usize,
    consumer: &Arc<BaseConsumer<GroupContext>>,
    stop: CancellationToken,
) -> (Poller, Worker<P>) {
    let shared = &workers.shared;
    let (settings, health) = (&shared.settings, &shared.process.health);
    let batch_max = settings.batch_records_max;
    // Room for one batch beside the one that is being applied.
    let (record_sender, records) = mpsc::channel(batch_max);
    let (control_sender, control) = mpsc::unbounded_channel();
    let (reclaims, reclaimed) = mpsc::unbounded_channel();
    let poller = Poller {
        consumer: Arc::clone(consumer),
        names: shared.names.clone(),
        schemas: Arc::clone(&shared.schemas),
        control: control_sender,
        heartbeat: health.heartbeat(format!("poll {index}"), STUCK),
        stop,
        queues: FetchQueues::default(),
        // The next batch is decoded while the one before is applied, and a little of the one after.
        fetching: Fetching::new(record_sender, batch_max.min(AHEAD_MAX)),
        starting: Starting::new(reclaimed),
        lag: LagReport::new(shared.names.clone(), Arc::clone(&shared.metrics)),
        standby: Standby::new(index, Arc::clone(&shared.metrics), health.clone()),
    };
    let worker = Worker {
        workers: Arc::clone(workers),
        index,
        poller: PollerSide {
            records,
            control,
            reclaims,
            progress: poller.lag.progress(),
            thread: None,
        },
        connection: Pinned::new(shared.pool.clone()),
        assignments: Assignments::new(settings.breaker_probe),
        pending: Pending::default(),
        breakers: PartitionBreakers::new(settings.breaker_rejections),
        in_doubt: None,
        schemas: SchemaResolver::new(Arc::clone(&shared.schemas)),
        background: Background::new(Arc::clone(shared), Arc::clone(consumer)),
        timing: Timing::starting(tokio::time::Instant::now()),
        heartbeat: health.heartbeat(format!("worker {index}"), STUCK),
    };
    (poller, worker)
}

fn report(postgres: &Postgres, worked: Result<(), WorkerError>) -> Result<(), WorkerError> {
    match &worked {
        Err(WorkerError::Defect(StoreError::Broken(what))) => postgres.health.down(what),
        Err(WorkerError::Defect(_)) => {
            postgres.health.down("the schema does not fit this build; run `migrate`");
        }
        _ => {}
    }
    worked
}

fn explain(error: KafkaError) -> anyhow::Error {
    anyhow::Error::new(error).context("the kafka client is beyond repair")
}

fn join_group<P: Projection>(
    workers: &Workers<P>,
    index: usize,
) -> anyhow::Result<BaseConsumer<GroupContext>> {
    let shared = &workers.shared;
    let settings = &shared.settings;
    let instance = workers.identity.of_worker(P::NAME, index);
    let protocol = settings.group_protocol;
    let mut config = settings.kafka.group_member(P::NAME, protocol, instance.as_deref());
    // Of each partition: less than a batch would keep the worker waiting, more is memory. An operator
    // may know better.
    if config.get("queued.min.messages").is_none() {
        config.set("queued.min.messages", settings.batch_records_max.max(1000).to_string());
    }
    let context = GroupContext::new(BrokerWatch { kafka: shared.kafka.clone() });
    let consumer: BaseConsumer<GroupContext> =
        config.create_with_context(context).context("could not create the consumer")?;
    let topics: Vec<&str> = P::TOPICS.iter().map(|topic| shared.names.name(*topic)).collect();
    consumer.subscribe(&topics).context("could not subscribe")?;
    Ok(consumer)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::sync_channel;

    use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
    use waiting::WITHIN;

    use super::*;
    use crate::log::messages::Control;
    use crate::partition::TopicPartition;
    use crate::tests::outbox::{WAITING, leave, publish};
    use crate::tests::world::{STOCK, World};

    #[sqlx::test(migrations = false)]
    async fn the_group_does_not_get_a_partition_back_while_events_of_it_are_under_way(
        pool: PgPoolOptions,
        options: PgConnectOptions,
    ) {
        let world = World::new(pool, options).await;
        let cluster = world.cluster.as_ref().unwrap();
        let publishing = publish(&world, &[1]).await;
        let (workers, stop) = (&publishing.workers, CancellationToken::new());
        let one = TopicPartition::new(STOCK, 1);
        workers.handover.published(&[one]).await;
        cluster.partition_leader("stock", 1, None).unwrap();
        for _ in 0..2 {
            leave(&world, 1, b"slow").await;
        }
        workers.shared.wake(2);
        workers.handover.begun(&[one]).await;

        let consumer = Arc::new(join_group(workers, 0).unwrap());
        let (poller, mut worker) = set_up(workers, 0, &consumer, stop.clone());
        let working = tokio::spawn(async move { worker.run().await });
        let (done, given_up) = sync_channel(1);
        poller.control.send(Control::Release(vec![one], done)).unwrap();
        let given_up = tokio::task::spawn_blocking(move || {
            assert!(given_up.recv_timeout(Duration::from_millis(500)).is_err(), "not yet");
            given_up
        });
        let given_up = given_up.await.unwrap();
        cluster.partition_leader("stock", 1, Some(1)).unwrap();
        let wait = tokio::task::spawn_blocking(move || given_up.recv_timeout(WITHIN));
        wait.await.unwrap().unwrap();
        assert_eq!(world.number(WAITING).await, 0, "published and removed");
        drop(poller);
        working.await.unwrap().unwrap();
        publishing.stop().await;
    }
}
