//! One worker: takes what the poll thread fetched, a batch at a time, and applies it. An outage
//! makes it wait with the batch in hand; it parks nothing for it.

use std::sync::{Arc, PoisonError};
use std::thread::Thread;
use std::time::Duration;

use chassis::health::Heartbeat;
use postgres_client::Pinned;
use tokio::sync::mpsc;
use tokio::task::JoinError;
use tokio::time::{Instant, sleep_until};

use crate::backoff::Backoff;
use crate::batch::partition_breaker::{PartitionBreaker, PartitionBreakers};
use crate::batch::pending::Pending;
use crate::error::StoreError;
use crate::log::messages::{Control, Progress};
use crate::ownership::assignments::{Assignments, Effect};
use crate::ownership::claim::Reclaim;
use crate::ownership::owned_partitions::PositionMove;
use crate::ownership::positions::TakenPosition;
use crate::partition::TopicPartition;
use crate::projection::Projection;
use crate::record::Record;
use crate::worker::background::Background;
use crate::worker::in_doubt::InDoubt;
use crate::worker::schema_resolver::SchemaResolver;
use crate::worker::step_error::{StepError, WorkerError};
use crate::worker::workers::Workers;

/// How often the topics are asked whether they are still the same.
const SAME_TOPICS: Duration = Duration::from_secs(3);
/// Idle is not stuck: the heartbeat goes on.
const BEAT: Duration = Duration::from_secs(5);
/// How long a probe of a tripped partition gathers records: the more there are, the likelier is one
/// that succeeds.
const GATHER: Duration = Duration::from_secs(1);

pub(crate) struct Worker<P: Projection> {
    pub workers: Arc<Workers<P>>,
    pub index: usize,
    pub poller: PollerSide,
    /// What batches are applied over.
    pub connection: Pinned,
    pub assignments: Assignments,
    pub pending: Pending,
    pub breakers: PartitionBreakers,
    /// What the last attempt was to commit, where its answer was lost.
    pub in_doubt: Option<InDoubt>,
    pub schemas: SchemaResolver,
    pub background: Background,
    pub timing: Timing,
    pub heartbeat: Heartbeat,
}

/// What joins a worker to its poll thread.
pub(crate) struct PollerSide {
    pub records: mpsc::Receiver<Record>,
    pub control: mpsc::UnboundedReceiver<Control>,
    pub reclaims: mpsc::UnboundedSender<Reclaim>,
    pub progress: Progress,
    /// Rests while there is no room for what was fetched.
    pub thread: Option<Thread>,
}

impl PollerSide {
    /// There is room again.
    fn wake(&self) {
        self.thread.as_ref().inspect(|thread| thread.unpark());
    }
}

/// When the worker goes on with what waits.
pub(crate) struct Timing {
    pub applying: Backoff,
    pub claiming: Backoff,
    pub gather_until: Instant,
    pub compare_at: Instant,
}

impl Timing {
    pub(crate) fn starting(now: Instant) -> Self {
        let (applying, claiming) = (Backoff::default(), Backoff::default());
        Self { applying, claiming, gather_until: now, compare_at: now }
    }

    /// Until a pause after a failure is over, and a probe has gathered its records.
    fn may_apply(&self) -> impl Future<Output = ()> + use<> {
        let (over, gather_until) = (self.applying.over(), self.gather_until);
        async move {
            over.await;
            sleep_until(gather_until).await;
        }
    }
}

impl<P: Projection> Worker<P> {
    /// Works until the poll thread has ended or this worker has to give up its client. Partitions
    /// that cannot be claimed do not hold up those that are.
    pub(crate) async fn run(&mut self) -> Result<(), WorkerError> {
        let room = self.workers.shared.settings.batch_records_max;
        loop {
            self.heartbeat.beat();
            let idle = self.pending.records.is_empty();
            let (next_retry, may_apply) = (self.assignments.next_retry(), self.timing.may_apply());
            tokio::select! {
                biased;
                control = self.poller.control.recv() => match control {
                    Some(control) => self.on_control(control).await?,
                    None => return Ok(()),
                },
                Some(answered) = self.background.answer() => {
                    let lost = |e: JoinError| StoreError::Broken(e.to_string());
                    let answered = answered.map_err(lost).map_err(WorkerError::Defect)?;
                    self.on_answer(answered).await?;
                }
                () = self.timing.claiming.over(), if self.assignments.is_waiting() => self.claim(),
                () = until(next_retry), if next_retry.is_some() => {
                    self.assignments.retry(Instant::now());
                }
                () = sleep_until(self.timing.compare_at), if !self.assignments.owned().is_empty() => {
                    self.timing.compare_at = Instant::now() + SAME_TOPICS;
                    self.compare_topics();
                }
                () = may_apply, if !idle => {
                    let applied = self.step().await;
                    self.after_applying(applied)?;
                }
                count = self.poller.records.recv_many(&mut self.pending.records, room), if idle => {
                    if count == 0 { return Ok(()); }
                    self.poller.wake();
                }
                () = tokio::time::sleep(BEAT) => {}
            }
        }
    }

    pub(crate) fn after_applying(
        &mut self,
        step: Result<(), StepError>,
    ) -> Result<(), WorkerError> {
        match step {
            Ok(()) => self.timing.applying.reset(),
            Err(error) => self.wait(error, |timing| &mut timing.applying)?,
        }
        Ok(())
    }

    /// Until a step that failed may be tried again.
    pub(crate) fn wait(
        &mut self,
        error: StepError,
        backoff: impl FnOnce(&mut Timing) -> &mut Backoff,
    ) -> Result<(), WorkerError> {
        let backoff = backoff(&mut self.timing);
        match error {
            StepError::Fatal(error) => return Err(error),
            StepError::BreakerOpen => drop(backoff.next_delay()),
            StepError::Retry(reason) => {
                let pause = backoff.next_delay();
                self.workers.shared.metrics.retries.increment(1);
                tracing::warn!(reason, pause_ms = pause.as_millis(), "waiting");
            }
        }
        Ok(())
    }

    async fn on_control(&mut self, control: Control) -> Result<(), WorkerError> {
        match control {
            Control::Hole(key, from) => self.look_for_hole(key, from),
            Control::Unreadable(keys) => {
                let stopped = self.stop_unreadable(keys).await;
                self.after_applying(stopped)?;
            }
            Control::Claim(claims) => self.assignments.claimed(claims),
            Control::Release(keys, done) => self.release(keys, done),
        }
        Ok(())
    }

    /// Says so when nothing of these partitions is under way any more.
    fn release(&mut self, keys: Vec<TopicPartition>, done: std::sync::mpsc::SyncSender<()>) {
        keys.iter().for_each(|key| self.breakers.give_up(*key));
        let effects = self.assignments.released(&keys);
        tracing::info!(worker = self.index, partitions = keys.len(), "partitions released");
        self.perform(effects);
        let handover = Arc::clone(&self.workers.handover);
        let not_taking = self.assignments.not_taking(&keys);
        tokio::spawn(async move {
            not_taking.await;
            handover.left(&keys).await;
            let _ = done.send(());
        });
    }

    pub(crate) fn perform(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Start(taken, answer) => {
                    self.start(&taken);
                    let _ = answer.send(taken.start);
                }
                Effect::Pause(reclaim) => {
                    self.breakers.give_up(reclaim.key);
                    // Where nobody listens, the client is being given up anyway.
                    let _ = self.poller.reclaims.send(reclaim);
                }
                Effect::Stopped(key, stop) => self.workers.stopped.stop(self.index, key, &stop),
                Effect::Resumed(key) => self.workers.stopped.resume(self.index, key),
                Effect::Changed => {
                    let owned = self.assignments.owned().keys().count();
                    self.workers.shared.metrics.owned(self.index, owned);
                    self.workers.handover.hold(self.index, self.assignments.held());
                }
            }
        }
    }

    fn start(&mut self, taken: &TakenPosition) {
        let TakenPosition { key, start, tripped, admit_below, .. } = *taken;
        self.breakers.set(key, PartitionBreaker::new(tripped, admit_below));
        if tripped {
            self.timing.gather_until = Instant::now() + GATHER;
        }
        tracing::debug!(worker = self.index, ?key, next = start.next.0, "partition taken");
    }

    /// The positions have moved, whoever moved them and whenever it is heard of.
    pub(crate) fn moved(&mut self, moves: &[PositionMove]) {
        self.workers.postgres.answered();
        self.breakers.settle();
        self.in_doubt = None;
        let effects = self.assignments.moved(moves);
        self.perform(effects);
        let progress = &self.poller.progress;
        let mut progress = progress.lock().unwrap_or_else(PoisonError::into_inner);
        progress.extend(moves.iter().map(|moved| (moved.key, moved.to)));
    }

    pub(crate) fn step_error(&self, error: StoreError) -> StepError {
        match error {
            StoreError::Retry(source) | StoreError::Slow(source) => {
                self.workers.postgres.failed();
                StepError::Retry(format!("the database is not available: {source}"))
            }
            StoreError::Fenced => {
                self.workers.shared.metrics.fenced.increment(1);
                StepError::Fatal(WorkerError::Fenced)
            }
            error => StepError::Fatal(WorkerError::Defect(error)),
        }
    }
}

async fn until(instant: Option<Instant>) {
    if let Some(instant) = instant {
        sleep_until(instant).await;
    }
}
