//! One worker: takes what the poll thread fetched, a batch at a time, and applies it. An outage
//! makes it wait with the batch in hand; it parks nothing for it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use chassis::health::Heartbeat;
use events_schema::Topic;
use kafka_client::TopicIdError;
use rdkafka::consumer::BaseConsumer;
use rdkafka::error::KafkaError;
use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinSet};

use crate::backoff::Backoff;
use crate::batch::apply_batch::{ANSWER, ApplyError, NotApplied, Terms, apply_batch};
use crate::batch::partition_breaker::PartitionBreakers;
use crate::batch::pending::Pending;
use crate::error::StoreError;
use crate::faults;
use crate::log::group::GroupContext;
use crate::log::poll::{Control, Progress};
use crate::log::schema_requests::SchemaRequests;
use crate::ownership::claim::{self, Check, Claim, TopicIds};
use crate::ownership::misfit::PositionMisfit;
use crate::ownership::owned_partitions::{OwnedPartition, OwnedPartitions, TopicPartition};
use crate::ownership::stop::Stop;
use crate::projection::Projection;
use crate::record::Record;
use crate::shared::Shared;
use crate::worker::claiming::{Answer, Taking};
use crate::worker::in_doubt::InDoubt;
use crate::worker::stopping::{Reclaim, StoppedClaim};

/// How often the topics are asked whether they are still the same.
const SAME_TOPICS: Duration = Duration::from_secs(3);
/// Idle is not stuck: the heartbeat goes on.
const BEAT: Duration = Duration::from_secs(5);
/// How long a probe of a tripped partition gathers records: the more there are, the likelier is one
/// that succeeds.
const GATHER: Duration = Duration::from_secs(1);

/// Why a worker cannot go on with this client.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WorkerError {
    /// Another worker took a partition that this one believed to hold.
    #[error("another worker owns the partition")]
    Fenced,
    /// A topic was deleted and created again: its partitions have to be claimed anew, and stop.
    #[error("the topic {0} was created anew")]
    TopicRecreated(String),
    /// A defect of ours, such as a missing migration.
    #[error("the worker cannot go on")]
    Defect(#[source] StoreError),
}

/// Why a step did not succeed: wait and try again, or give up the client.
pub(crate) enum StepError {
    Retry(String),
    /// Another worker of the process is asking already.
    BreakerOpen,
    Fatal(WorkerError),
}

/// What the database or a broker was asked in the background, so that no batch waits for it.
pub(crate) enum Answered {
    Positions(Vec<Claim>, Answer),
    Log(Check, Result<Option<PositionMisfit>, KafkaError>),
    TopicIds(Result<TopicIds, TopicIdError>),
    /// How far a partition holds no record from there on.
    Hole(TopicPartition, i64, Result<Option<i64>, KafkaError>),
}

pub(crate) struct Worker<P: Projection> {
    pub shared: Arc<Shared<P>>,
    pub index: usize,
    pub consumer: Arc<BaseConsumer<GroupContext>>,
    pub records: mpsc::Receiver<Record>,
    pub control: mpsc::UnboundedReceiver<Control>,
    pub progress: Progress,
    pub heartbeat: Heartbeat,
    pub owned: OwnedPartitions,
    pub pending: Pending,
    pub schema_requests: SchemaRequests,
    pub applying: Backoff,
    /// What the last attempt was to commit, where its answer was lost.
    pub in_doubt: Option<InDoubt>,
    pub claims: Vec<Claim>,
    pub taking: Vec<Taking>,
    pub claiming: Backoff,
    pub stopped: Vec<StoppedClaim>,
    /// Where partitions stopped at work: they are called so until they move on from there, however
    /// often they are tried again.
    pub stopped_at: BTreeMap<TopicPartition, i64>,
    pub reclaims: mpsc::UnboundedSender<Reclaim>,
    pub breakers: PartitionBreakers,
    pub gather_until: tokio::time::Instant,
    pub background: JoinSet<Answered>,
    /// The topics' ids as the positions have them.
    pub topic_ids: HashMap<Topic, String>,
    pub compare_at: tokio::time::Instant,
}

impl<P: Projection> Worker<P> {
    /// Works until the poll thread has ended or this worker has to give up its client. Partitions
    /// that cannot be claimed do not hold up those that are.
    pub(crate) async fn run(&mut self) -> Result<(), WorkerError> {
        let room = self.shared.settings.batch_records_max;
        loop {
            self.heartbeat.beat();
            let idle = self.pending.records.is_empty();
            let (next_retry, may_apply) = (self.next_retry(), self.may_apply());
            tokio::select! {
                biased;
                control = self.control.recv() => match control {
                    Some(control) => self.on_control(control).await?,
                    None => return Ok(()),
                },
                Some(answered) = self.background.join_next() => {
                    let lost = |e: JoinError| StoreError::Broken(e.to_string());
                    self.on_answer(answered.map_err(lost).map_err(WorkerError::Defect)?).await?;
                }
                () = self.claiming.over(), if !self.claims.is_empty() => {
                    self.claim();
                }
                () = until(next_retry), if next_retry.is_some() => self.retry_stopped(),
                () = tokio::time::sleep_until(self.compare_at), if !self.owned.is_empty() => {
                    self.compare_topics();
                }
                () = may_apply, if !idle => {
                    let applied = self.step().await;
                    self.after(applied, |worker| &mut worker.applying)?;
                }
                count = self.records.recv_many(&mut self.pending.records, room), if idle => {
                    if count == 0 { return Ok(()); }
                }
                () = tokio::time::sleep(BEAT) => {}
            }
        }
    }

    /// A pause after a failure is over, and a probe has gathered its records.
    fn may_apply(&self) -> impl Future<Output = ()> + use<P> {
        let (over, gather_until) = (self.applying.over(), self.gather_until);
        async move {
            over.await;
            tokio::time::sleep_until(gather_until).await;
        }
    }

    pub(crate) fn after(
        &mut self,
        step: Result<(), StepError>,
        backoff: impl FnOnce(&mut Self) -> &mut Backoff,
    ) -> Result<(), WorkerError> {
        match step {
            Ok(()) => backoff(self).reset(),
            Err(StepError::Fatal(error)) => return Err(error),
            Err(StepError::BreakerOpen) => drop(backoff(self).next_delay()),
            Err(StepError::Retry(reason)) => {
                let pause = backoff(self).next_delay();
                self.shared.metrics.retries.increment(1);
                tracing::warn!(reason, pause_ms = pause.as_millis(), "waiting");
            }
        }
        Ok(())
    }

    async fn on_control(&mut self, control: Control) -> Result<(), WorkerError> {
        match control {
            Control::Hole(key, from) => self.look_for_hole(key, from),
            Control::Unreadable(keys) => self.stop_unreadable(keys).await?,
            Control::Claim(claims) => self.claims.extend(claims),
            Control::Release(_, done) if faults::release_missed() => drop(done.send(())),
            Control::Release(keys, done) => {
                for key in &keys {
                    self.owned.give_up(*key);
                    self.breakers.give_up(*key);
                    self.stopped_at.remove(key);
                    self.shared.resume(self.index, *key);
                }
                self.forget(&keys);
                tracing::info!(worker = self.index, partitions = keys.len(), "partitions released");
                self.owned_changed();
                let (shared, not_taking) = (Arc::clone(&self.shared), self.not_taking(&keys));
                tokio::spawn(async move {
                    not_taking.await;
                    shared.left_by_publisher(&keys).await;
                    let _ = done.send(());
                });
            }
        }
        Ok(())
    }

    /// What the outbox holds for a stopped partition is still this process's to publish.
    pub(crate) fn owned_changed(&self) {
        self.shared.metrics.owned(self.index, self.owned.keys().count());
        let stopped = self.stopped.iter().map(|stopped| stopped.claim.key);
        self.shared.hold(self.index, self.owned.keys().chain(stopped).collect());
    }

    fn compare_topics(&mut self) {
        self.compare_at = tokio::time::Instant::now() + SAME_TOPICS;
        let topics = claim::names_of(&self.shared.names, self.owned.keys().map(|key| key.0));
        let consumer = Arc::clone(&self.consumer);
        self.background
            .spawn_blocking(move || Answered::TopicIds(claim::ask_topic_ids(&consumer, &topics)));
    }

    async fn on_answer(&mut self, answered: Answered) -> Result<(), WorkerError> {
        match answered {
            Answered::Positions(claims, answer) => return self.claimed(claims, answer),
            Answered::Log(check, Ok(misfit)) => self.start(check, misfit),
            Answered::Log(check, Err(error)) => {
                self.claims.push(check.claim);
                let reason = format!("{}/{}: {error}", check.topic, check.taken.key.1);
                return self.after(Err(StepError::Retry(reason)), |worker| &mut worker.claiming);
            }
            Answered::TopicIds(Ok(ids)) => {
                for topic in self.owned.keys().map(|key| key.0) {
                    let name = self.shared.names.name(topic);
                    if ids.get(name) != self.topic_ids.get(&topic) && ids.contains_key(name) {
                        return Err(WorkerError::TopicRecreated(name.to_owned()));
                    }
                }
            }
            Answered::Hole(key, from, Ok(Some(to))) => {
                let passed = self.pass_hole(key, from, to).await;
                return self.after(passed, |worker| &mut worker.applying);
            }
            Answered::Hole(_, _, Ok(None)) => {}
            Answered::Hole(_, _, Err(error)) => tracing::debug!(%error, "holes not looked for"),
            // Whoever fetches hears it too.
            Answered::TopicIds(Err(error)) => tracing::debug!(%error, "topics not compared"),
        }
        Ok(())
    }

    fn start(&mut self, check: Check, misfit: Option<PositionMisfit>) {
        // Taken away meanwhile.
        if check.claim.answer.is_closed() {
            return;
        }
        self.claiming.reset();
        let Check { claim: Claim { key, answer }, taken, .. } = check;
        if let Some(misfit) = misfit {
            self.stop_claim(Claim { key, answer }, &Stop::Misfit(misfit));
            return self.owned_changed();
        }
        let (epoch, next) = (taken.epoch, taken.next);
        self.owned.take(key, OwnedPartition { epoch, next });
        self.breakers.set(key, taken.breaker);
        if taken.breaker.half_open {
            self.gather_until = tokio::time::Instant::now() + GATHER;
        }
        self.topic_ids.insert(key.0, taken.topic_id);
        if self.stopped_at.get(&key) != Some(&next) {
            self.moves_on(key);
        }
        tracing::debug!(worker = self.index, ?key, next, "partition taken");
        self.owned_changed();
        let _ = answer.send((epoch, next));
    }

    pub(crate) fn step_error(&self, error: StoreError) -> StepError {
        match error {
            StoreError::Retry(source) | StoreError::Slow(source) => {
                self.shared.postgres.down("not available");
                self.shared.circuit_breaker.failed();
                StepError::Retry(format!("the database is not available: {source}"))
            }
            StoreError::Fenced => {
                self.shared.metrics.fenced.increment(1);
                StepError::Fatal(WorkerError::Fenced)
            }
            error => StepError::Fatal(WorkerError::Defect(error)),
        }
    }

    /// Too much at once is no outage, and is said as what it is: a pause, then half as much.
    fn too_much_or_away(&mut self, error: StoreError) -> StepError {
        let is_answered = |error: &sqlx::Error| error.as_database_error().is_some();
        match error {
            StoreError::Slow(source) => {
                let halved = self.pending.too_much();
                if halved && is_answered(&source) {
                    self.postgres_answered();
                    let room = self.pending.next().len();
                    return StepError::Retry(format!(
                        "too much at once, {room} records next: {source}"
                    ));
                }
                self.step_error(StoreError::Slow(source))
            }
            error => self.step_error(error),
        }
    }

    /// While the database is away one worker of the process tries, and the others wait for it.
    fn ask_circuit_breaker(&self) -> Result<(), StepError> {
        self.shared.circuit_breaker.permits(ANSWER).then_some(()).ok_or(StepError::BreakerOpen)
    }

    pub(crate) fn postgres_answered(&self) {
        self.shared.postgres.up();
        self.shared.circuit_breaker.dealt_with();
    }

    /// One transaction; what the database refuses makes the next one smaller.
    async fn step(&mut self) -> Result<(), StepError> {
        self.gather();
        let owned = &self.owned;
        self.pending.records.retain(|record| owned.admits(record.source, record.epoch));
        if self.pending.records.is_empty() {
            return Ok(());
        }
        self.resolve().await;
        if self.pending.next().is_empty() {
            return self.stop_partitions(self.unresolved_partitions()).await;
        }
        self.ask_circuit_breaker()?;
        let began = Instant::now();
        let share = self.pending.next();
        let moves = self.owned.moves(share);
        let bounds = self.shared.settings.parked;
        let terms = Terms { moves: &moves, bounds, breakers: &mut self.breakers };
        let failed = match apply_batch::<P>(&self.shared.bench(), terms, share).await {
            Ok(outcomes) => {
                self.applied(&moves, outcomes, began);
                return Ok(());
            }
            Err(failed) => failed,
        };
        let NotApplied { why, in_doubt } = failed;
        if !matches!(why, ApplyError::Store(StoreError::Retry(_) | StoreError::Slow(_))) {
            self.postgres_answered();
        }
        match why {
            ApplyError::Stop(stops) => self.stop_partitions(stops).await,
            ApplyError::Store(StoreError::Refused(refused)) => {
                self.pending.refused(&refused).map_err(|error| self.step_error(error))
            }
            ApplyError::Store(StoreError::Fenced) => self.fenced(&moves).await,
            ApplyError::Store(error) => {
                if faults::park_on_outage() {
                    self.pending.condemn();
                }
                let in_doubt = in_doubt.map(|outcomes| InDoubt { moves, outcomes });
                self.in_doubt = in_doubt.or(self.in_doubt.take());
                Err(self.too_much_or_away(error))
            }
        }
    }

    /// A probe takes all that there is.
    fn gather(&mut self) {
        let room = self.shared.settings.batch_records_max;
        while self.breakers.is_probing() && self.pending.records.len() < room {
            let Ok(record) = self.records.try_recv() else { return };
            self.pending.records.push(record);
        }
    }
}

async fn until(instant: Option<tokio::time::Instant>) {
    if let Some(instant) = instant {
        tokio::time::sleep_until(instant).await;
    }
}
