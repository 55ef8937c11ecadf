//! The loop around the outbox: publishes what waits in it for the partitions that this process
//! holds, after each batch with follow-ups, and once a second what an earlier owner left. A crash
//! in between can only repeat an event, under the same id.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use chassis::health::{Dependency, Heartbeat};
use rdkafka::error::KafkaError;
use rdkafka::producer::{FutureProducer, Producer};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::after::outbox::{self, Delivery, Place};
use crate::backoff::Backoff;
use crate::error::StoreError;
use crate::log::group::BrokerWatch;
use crate::ownership::owned_partitions::TopicPartition;
use crate::projection::Projection;
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
pub(crate) async fn keep_publishing<P: Projection>(
    shared: Arc<Shared<P>>,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let mut publisher = Publisher::new(shared)?;
    publisher.until(&stop).await?;
    let rest = tokio::time::timeout(LAST, publisher.rest()).await;
    let rest = rest.context("the broker or the database took too long").flatten();
    rest.context("events were left in the outbox; the next start publishes them")
}

/// What the publisher of a process is at.
#[derive(Debug, Default)]
pub(crate) struct Publishing {
    /// How often it has looked for rows.
    pub rounds: u64,
    /// Partitions whose rows are looked for, under way, or still to be removed.
    at_work: BTreeSet<Place>,
}

impl<P: Projection> Shared<P> {
    /// Until the publisher is at none of these partitions, which are not held any more: else their next
    /// owner would find the same rows, and publish them again.
    pub(crate) async fn left_by_publisher(&self, keys: &[TopicPartition]) {
        let is_left = |at: &Publishing| !self.is_at(at, keys);
        let _ = self.publishing.subscribe().wait_for(is_left).await;
    }

    /// Until everything is published that the last batches of these partitions left.
    pub(crate) async fn published(&self, keys: &[TopicPartition]) {
        let mut publishing = self.publishing.subscribe();
        // The round that is under way may have looked before the last batch.
        let rounds = publishing.borrow_and_update().rounds + 2;
        loop {
            self.follow_ups.notify_one();
            if publishing.changed().await.is_err() {
                return;
            }
            let at = publishing.borrow_and_update();
            if at.rounds >= rounds && !self.is_at(&at, keys) {
                return;
            }
        }
    }

    pub(crate) fn is_at(&self, at: &Publishing, keys: &[TopicPartition]) -> bool {
        let mut at_work = at.at_work.iter();
        at_work.any(|(topic, partition)| {
            keys.iter().any(|key| self.names.name(key.0) == topic && key.1 == *partition)
        })
    }
}

struct Publisher<P: Projection> {
    shared: Arc<Shared<P>>,
    producer: FutureProducer<BrokerWatch>,
    heartbeat: Heartbeat,
    backoff: Backoff,
    under_way: JoinSet<Delivery>,
    busy: BTreeSet<Place>,
    /// Published, and to be removed from the outbox.
    delivered: Vec<i64>,
    stopped: BTreeMap<Place, Stopped>,
}

/// A partition that is left alone for a while.
struct Stopped {
    until: Instant,
    /// Where it was refused: the state is shown until an event was delivered.
    refused: Option<Dependency>,
}

impl<P: Projection> Publisher<P> {
    fn new(shared: Arc<Shared<P>>) -> anyhow::Result<Self> {
        Ok(Self {
            producer: producer(&shared)?,
            heartbeat: shared.process.health.heartbeat("publisher", STUCK),
            backoff: Backoff::default(),
            under_way: JoinSet::new(),
            busy: BTreeSet::new(),
            delivered: Vec::new(),
            stopped: BTreeMap::new(),
            shared,
        })
    }

    async fn until(&mut self, stop: &CancellationToken) -> anyhow::Result<()> {
        while !stop.is_cancelled() {
            self.heartbeat.beat();
            let pause = match self.round().await {
                Ok(0) => IDLE,
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
        let places = self.idle_places();
        self.say(&places);
        let places = self.idle_places();
        let under_way = self.under_way.len();
        let waiting = outbox::waiting(&self.shared.pool, &places).await;
        for place in waiting.iter().flat_map(BTreeMap::keys) {
            self.busy.insert(place.clone());
        }
        self.say(&[]);
        for (place, mut rows) in waiting? {
            // Where one was refused, the next may be: it is sent alone, so that none passes it.
            if self.stopped.get(&place).is_some_and(|stopped| stopped.refused.is_some()) {
                rows.truncate(1);
            }
            self.under_way.spawn(outbox::deliver(self.producer.clone(), place, rows));
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
        self.shared.publishing.send_modify(|at| at.rounds += 1);
        Ok(removed)
    }

    /// Says what it is at, and which partitions it looks up. Only while nothing waits to be removed: of
    /// what was delivered before, the last word is that it is under way.
    fn say(&self, looked_up: &[Place]) {
        let at_work: BTreeSet<Place> = self.busy.iter().chain(looked_up).cloned().collect();
        self.shared.publishing.send_if_modified(|at| {
            let is_news = at.at_work != at_work;
            at.at_work = at_work;
            is_news
        });
    }

    fn idle_places(&mut self) -> Vec<Place> {
        let names = &self.shared.names;
        let held = self.shared.held_keys().into_iter();
        let held = held.map(|(topic, partition)| (names.name(topic).to_owned(), partition));
        let held: BTreeSet<Place> = held.collect();
        // What is not ours any more is not ours to complain about.
        self.stopped.retain(|place, stopped| {
            let is_held = held.contains(place);
            if let Some(refused) = stopped.refused.as_ref().filter(|_| !is_held) {
                refused.forget();
            }
            is_held
        });
        let now = Instant::now();
        let waits = |place: &Place| self.stopped.get(place).is_some_and(|s| s.until > now);
        held.into_iter().filter(|place| !self.busy.contains(place) && !waits(place)).collect()
    }

    async fn remove_delivered(&mut self) -> Result<usize, StoreError> {
        if self.delivered.is_empty() {
            return Ok(0);
        }
        outbox::remove(&self.shared.pool, &self.delivered).await?;
        let count = std::mem::take(&mut self.delivered).len();
        self.say(&[]);
        self.shared.metrics.published.increment(count as u64);
        Ok(count)
    }

    fn note(&mut self, delivery: Delivery) -> anyhow::Result<()> {
        let Delivery { place, delivered, failed } = delivery;
        self.busy.remove(&place);
        self.delivered.extend(delivered);
        match failed {
            Some(error) => {
                self.stop(place, &error);
                // After a fatal error a producer only refuses. The rows are still there.
                if self.producer.client().fatal_error().is_some() {
                    self.producer = producer(&self.shared)?;
                }
            }
            None => {
                let stopped = self.stopped.remove(&place).and_then(|stopped| stopped.refused);
                stopped.inspect(Dependency::forget);
            }
        }
        Ok(())
    }

    /// Leaves one partition alone for a while; the others go on.
    fn stop(&mut self, place: Place, error: &KafkaError) {
        let (topic, partition) = (place.0.as_str(), place.1);
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
        self.stopped.insert(place, Stopped { until: Instant::now() + pause, refused });
    }
}

fn producer<P: Projection>(shared: &Shared<P>) -> anyhow::Result<FutureProducer<BrokerWatch>> {
    let brokers = BrokerWatch { kafka: shared.kafka.clone() };
    // No time-out: the rows stay in the outbox until they are answered.
    let config = shared.settings.kafka.producer(P::NAME, None);
    config.create_with_context(brokers).context("could not create the producer")
}
