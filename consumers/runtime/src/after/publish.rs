//! The loop around the outbox: publishes what waits in it for the partitions that this process
//! holds, after each batch with follow-ups, and once a second what an earlier owner left. A crash
//! in between can only repeat an event, under the same id.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use chassis::health::{Dependency, Heartbeat};
use postgres_client::{CONVERSATION, Pinned};
use rdkafka::error::KafkaError;
use rdkafka::producer::{FutureProducer, Producer};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::after::outbox::{self, Delivery, Row};
use crate::backoff::Backoff;
use crate::broker_watch::BrokerWatch;
use crate::error::StoreError;
use crate::ownership::handover::Handover;
use crate::partition::TopicPartition;
use crate::shared::Shared;

const IDLE: Duration = Duration::from_secs(1);
/// How long the partitions of a round wait for one another, so that one statement removes the rows
/// of all. One that takes longer goes on by itself.
const ROUND: Duration = Duration::from_millis(50);
/// How long a partition waits after a failure, and after a refusal.
const FAILED: Duration = Duration::from_secs(1);
const REFUSED: Duration = Duration::from_secs(30);
/// How long the last events may take when the process stops.
const LAST: Duration = Duration::from_secs(10);
/// A publisher that is silent for this long is stuck.
const STUCK: Duration = Duration::from_secs(60);

/// Publishes until `stop`, which comes after the workers': then what their last batches left, too.
pub(crate) async fn keep_publishing(
    shared: Arc<Shared>,
    handover: Arc<Handover>,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let mut publisher = Publisher::new(shared, handover)?;
    publisher.until(&stop).await?;
    let rest = tokio::time::timeout(LAST, publisher.rest()).await;
    let rest = rest.context("the broker or the database took too long").flatten();
    rest.context("events were left in the outbox; the next start publishes them")
}

struct Publisher {
    shared: Arc<Shared>,
    handover: Arc<Handover>,
    producer: FutureProducer<BrokerWatch>,
    connection: Pinned,
    heartbeat: Heartbeat,
    backoff: Backoff,
    under_way: JoinSet<Delivery>,
    busy: BTreeSet<TopicPartition>,
    /// Published, and to be removed from the outbox.
    delivered: Vec<i64>,
    /// Behind the rows of the last round there may be others.
    more: bool,
    stopped: BTreeMap<TopicPartition, Stopped>,
}

/// A partition that is left alone for a while.
struct Stopped {
    until: Instant,
    /// Where it was refused: the state is shown until an event was delivered.
    refused: Option<Dependency>,
}

impl Publisher {
    fn new(shared: Arc<Shared>, handover: Arc<Handover>) -> anyhow::Result<Self> {
        Ok(Self {
            producer: producer(&shared)?,
            connection: Pinned::new(shared.pool.clone()),
            heartbeat: shared.process.health.heartbeat("publisher", STUCK),
            backoff: Backoff::default(),
            under_way: JoinSet::new(),
            busy: BTreeSet::new(),
            delivered: Vec::new(),
            more: false,
            stopped: BTreeMap::new(),
            shared,
            handover,
        })
    }

    async fn until(&mut self, stop: &CancellationToken) -> anyhow::Result<()> {
        while !stop.is_cancelled() {
            self.heartbeat.beat();
            let pause = match self.round().await {
                // What comes meanwhile is announced.
                Ok(_) if !std::mem::take(&mut self.more) => IDLE,
                Ok(_) => continue,
                Err(error) => {
                    tracing::warn!(%error, "outbox waits");
                    self.backoff.next_delay()
                }
            };
            let shared = Arc::clone(&self.shared);
            tokio::select! {
                () = stop.cancelled() => {}
                Some(ended) = self.under_way.join_next() => self.note(ended?)?,
                () = shared.follow_ups.notified() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
        Ok(())
    }

    /// Publishes until nothing waits that can be published.
    async fn rest(&mut self) -> anyhow::Result<()> {
        loop {
            if self.round().await? > 0 {
                continue;
            }
            match self.under_way.join_next().await {
                Some(ended) => self.note(ended?)?,
                None => return Ok(()),
            }
        }
    }

    /// Starts what waits, of partitions that are not busy with earlier rows; says how many events
    /// were published since the last round.
    async fn round(&mut self) -> anyhow::Result<usize> {
        self.remove_delivered().await?;
        // Whoever gives up one that is still held after this waits until it is not looked for.
        let idle = self.idle();
        self.say(&idle);
        let idle = self.idle();
        let under_way = self.under_way.len();
        let waiting = self.waiting(&idle).await;
        self.busy.extend(waiting.iter().flat_map(BTreeMap::keys));
        self.say(&[]);
        for (key, mut rows) in waiting? {
            self.more |= rows.len() >= outbox::ROWS_MAX as usize;
            // Where one was refused, the next may be: it is sent alone, so that none passes it.
            if self.stopped.get(&key).is_some_and(|stopped| stopped.refused.is_some()) {
                self.more |= rows.len() > 1;
                rows.truncate(1);
            }
            self.under_way.spawn(outbox::deliver(self.producer.clone(), key, rows));
        }
        self.backoff.reset();
        let round = Instant::now() + ROUND;
        while self.under_way.len() > under_way {
            match tokio::time::timeout_at(round, self.under_way.join_next()).await {
                Ok(Some(ended)) => self.note(ended?)?,
                Ok(None) | Err(_) => break,
            }
        }
        let removed = self.remove_delivered().await?;
        self.handover.round_ended();
        Ok(removed)
    }

    /// Says what it is at, and which partitions it looks up. Only while nothing waits to be removed: of
    /// what was delivered before, the last word is that it is under way.
    fn say(&self, looked_up: &[TopicPartition]) {
        self.handover.at_work(self.busy.iter().chain(looked_up).copied().collect());
    }

    fn idle(&mut self) -> Vec<TopicPartition> {
        let held: BTreeSet<TopicPartition> = self.handover.held().into_iter().collect();
        // What is not ours any more is not ours to complain about.
        self.stopped.retain(|key, stopped| {
            let is_held = held.contains(key);
            if let Some(refused) = stopped.refused.as_ref().filter(|_| !is_held) {
                refused.forget();
            }
            is_held
        });
        let now = Instant::now();
        let waits = |key: &TopicPartition| self.stopped.get(key).is_some_and(|s| s.until > now);
        held.into_iter().filter(|key| !self.busy.contains(key) && !waits(key)).collect()
    }

    async fn waiting(
        &mut self,
        partitions: &[TopicPartition],
    ) -> Result<BTreeMap<TopicPartition, Vec<Row>>, StoreError> {
        let names = &self.shared.names;
        let waiting = async |conn: &mut _| outbox::waiting(conn, names, partitions).await;
        self.connection.within(CONVERSATION, waiting).await
    }

    async fn remove_delivered(&mut self) -> Result<usize, StoreError> {
        if self.delivered.is_empty() {
            return Ok(0);
        }
        let remove = async |conn: &mut _| outbox::remove(conn, &self.delivered).await;
        self.connection.within(CONVERSATION, remove).await?;
        let count = std::mem::take(&mut self.delivered).len();
        self.say(&[]);
        self.shared.metrics.published.increment(count as u64);
        Ok(count)
    }

    fn note(&mut self, delivery: Delivery) -> anyhow::Result<()> {
        let Delivery { key, delivered, failed } = delivery;
        self.busy.remove(&key);
        self.delivered.extend(delivered);
        match failed {
            Some(error) => {
                self.stop(key, &error);
                // After a fatal error a producer only refuses. The rows are still there.
                if self.producer.client().fatal_error().is_some() {
                    self.producer = producer(&self.shared)?;
                }
            }
            None => {
                let stopped = self.stopped.remove(&key).and_then(|stopped| stopped.refused);
                stopped.inspect(Dependency::forget);
            }
        }
        Ok(())
    }

    /// Leaves one partition alone for a while; the others go on.
    fn stop(&mut self, key: TopicPartition, error: &KafkaError) {
        let (topic, partition) = (self.shared.names.name(key.topic), key.number());
        let refused = outbox::is_refusal(error).then(|| {
            tracing::error!(topic, partition, %error, "an event in the outbox is refused");
            let name = format!("outbox {topic}/{partition}");
            let dependency = self.shared.process.health.dependency(name);
            dependency.down(format!("refused: {error}"));
            dependency
        });
        if refused.is_none() {
            tracing::warn!(topic, partition, %error, "outbox waits");
        }
        let pause = if refused.is_some() { REFUSED } else { FAILED };
        self.stopped.insert(key, Stopped { until: Instant::now() + pause, refused });
    }
}

fn producer(shared: &Shared) -> anyhow::Result<FutureProducer<BrokerWatch>> {
    let brokers = BrokerWatch { kafka: shared.kafka.clone() };
    // No time-out: the rows stay in the outbox until they are answered.
    let config = shared.settings.kafka.producer(shared.process.name, None);
    config.create_with_context(brokers).context("could not create the producer")
}
