//! One worker: takes what the poll thread fetched, a batch at a time, and applies it. An outage
//! makes it wait with the batch in hand; it parks nothing for it.

use std::collections::VecDeque;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use chassis::health::Heartbeat;
use events_schema::registry::RegistryError;
use rdkafka::consumer::BaseConsumer;
use tokio::sync::{mpsc, oneshot};

use crate::apply_batch::{Outcomes, apply_batch};
use crate::claim::{ClaimError, Claimed, claim};
use crate::error::StoreError;
use crate::faults;
use crate::gap::Gap;
use crate::group::GroupContext;
use crate::lanes::{Lane, LaneKey, Lanes, Span};
use crate::poll::{Control, Progress};
use crate::positions::{self, Taken};
use crate::projection::Projection;
use crate::record::{Content, Record};
use crate::shared::Shared;

/// First and longest pause after a failure.
const PAUSE_MIN: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// Why a worker cannot go on with this client.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WorkerError {
    /// Another worker took a partition that this one believed to hold.
    #[error("another worker owns the partition")]
    Fenced,
    /// A defect of ours, such as a missing migration.
    #[error("the database and this build do not fit together")]
    Halt(#[source] StoreError),
}

/// Why a step did not succeed: wait and try again, or give up the client.
enum Setback {
    Wait(String),
    End(WorkerError),
}

pub(crate) struct Worker<P: Projection> {
    pub shared: Arc<Shared<P>>,
    pub index: usize,
    pub consumer: Arc<BaseConsumer<GroupContext>>,
    pub records: mpsc::Receiver<Record>,
    pub control: mpsc::UnboundedReceiver<Control>,
    pub progress: Progress,
    pub heartbeat: Heartbeat,
    pub lanes: Lanes,
    pub pending: Vec<Record>,
    pub claims: VecDeque<(Vec<LaneKey>, oneshot::Sender<Vec<Claimed>>)>,
    pub pause: Option<Duration>,
}

impl<P: Projection> Worker<P> {
    /// Works until the poll thread has ended or this worker has to give up its client.
    pub(crate) async fn run(&mut self) -> Result<(), WorkerError> {
        let mut resume_at = tokio::time::Instant::now();
        loop {
            self.heartbeat.beat();
            let idle = self.pause.is_none() && self.claims.is_empty() && self.pending.is_empty();
            let room = self.shared.settings.batch_records_max;
            tokio::select! {
                biased;
                control = self.control.recv() => match control {
                    Some(control) => self.note(control),
                    None => return Ok(()),
                },
                count = self.records.recv_many(&mut self.pending, room), if idle => {
                    if count == 0 { return Ok(()); }
                },
                () = tokio::time::sleep_until(resume_at), if !idle => {}
                // Idle is not stuck: the heartbeat goes on.
                () = tokio::time::sleep(Duration::from_secs(5)), if idle => {}
            }
            if tokio::time::Instant::now() < resume_at {
                continue;
            }
            match self.step().await {
                Ok(()) => self.pause = None,
                Err(Setback::End(error)) => return Err(error),
                Err(Setback::Wait(reason)) => {
                    resume_at = tokio::time::Instant::now() + self.back_off(&reason);
                }
            }
        }
    }

    fn back_off(&mut self, reason: &str) -> Duration {
        let pause = self.pause.map_or(PAUSE_MIN, |pause| (pause * 2).min(PAUSE_MAX));
        self.pause = Some(pause);
        self.shared.metrics.retries.increment(1);
        tracing::warn!(reason, pause_ms = pause.as_millis(), "waiting");
        pause
    }

    fn note(&mut self, control: Control) {
        match control {
            Control::Claim(keys, answer) => self.claims.push_back((keys, answer)),
            Control::Release(_, done) if faults::no_fence() => drop(done.send(())),
            Control::Release(keys, done) => {
                for key in &keys {
                    self.lanes.give_up(*key);
                    self.shared.resume(*key);
                }
                self.claims.retain(|(claimed, _)| !claimed.iter().any(|key| keys.contains(key)));
                tracing::info!(worker = self.index, partitions = keys.len(), "partitions released");
                self.lanes_changed();
                let _ = done.send(());
            }
        }
    }

    fn lanes_changed(&self) {
        self.shared.metrics.lanes(self.index, self.lanes.keys().count());
        self.shared.hold(self.index, self.lanes.keys().collect());
    }

    async fn step(&mut self) -> Result<(), Setback> {
        if let Some((keys, answer)) = self.claims.pop_front() {
            match claim(&self.shared.pool, &self.consumer, &self.shared.names, &keys).await {
                Ok(taken) => self.start(taken, answer),
                Err(error) => {
                    self.claims.push_front((keys, answer));
                    return Err(self.claim_setback(error));
                }
            }
        }
        self.pending.retain(|record| self.lanes.admits(record.source, record.epoch));
        if self.pending.is_empty() {
            return Ok(());
        }
        self.resolve().await?;
        let mut records = std::mem::take(&mut self.pending);
        let applied = self.apply(&mut records).await;
        self.pending = records;
        applied
    }

    fn start(&mut self, taken: Vec<(Taken, Option<Gap>)>, answer: oneshot::Sender<Vec<Claimed>>) {
        self.shared.postgres.up();
        let mut claimed = Vec::with_capacity(taken.len());
        for (Taken { key, epoch, next, .. }, gap) in taken {
            let start = match gap {
                Some(gap) => {
                    self.shared.halt(key, &gap);
                    None
                }
                None => {
                    self.lanes.take(key, Lane { epoch, next });
                    self.shared.resume(key);
                    Some((epoch, next))
                }
            };
            claimed.push(Claimed { key, start });
        }
        if !claimed.is_empty() {
            tracing::info!(worker = self.index, partitions = claimed.len(), "partitions taken");
            self.lanes_changed();
        }
        let _ = answer.send(claimed);
    }

    fn claim_setback(&self, error: ClaimError) -> Setback {
        match error {
            ClaimError::Store(error) => self.setback(error),
            other => Setback::Wait(other.to_string()),
        }
    }

    fn setback(&self, error: StoreError) -> Setback {
        match error {
            StoreError::Retry(source) => {
                self.shared.postgres.down("not available");
                Setback::Wait(format!("the database is not available: {source}"))
            }
            StoreError::Fenced => Setback::End(WorkerError::Fenced),
            error => Setback::End(WorkerError::Halt(error)),
        }
    }

    /// Asks the registry for the schemas that the batch needs and nobody asked for before.
    async fn resolve(&mut self) -> Result<(), Setback> {
        for record in &mut self.pending {
            let Content::Unresolved(id) = record.content else { continue };
            let learned = self.shared.learn(id).await;
            match learned {
                Ok(()) => {
                    let decoder = self.shared.decoder.read();
                    record.decode(&decoder.unwrap_or_else(PoisonError::into_inner), P::EVENTS);
                }
                Err(RegistryError::Unavailable { url, cause }) => {
                    return Err(Setback::Wait(format!("the registry at {url}: {cause}")));
                }
                Err(error) => {
                    let detail = error.to_string();
                    record.content = Content::Poison { cause: "foreign-schema", detail };
                }
            }
        }
        Ok(())
    }

    /// Applies records and takes out of `records` what is done. Where the database refuses what a
    /// record asks it to store, halves the batch until that record is found, and parks it.
    async fn apply(&mut self, records: &mut Vec<Record>) -> Result<(), Setback> {
        let mut tail: Vec<Vec<Record>> = Vec::new();
        let mut refused_alone = false;
        loop {
            match self.apply_once(records).await {
                Ok(()) => match tail.pop() {
                    Some(next) => (*records, refused_alone) = (next, false),
                    None => return Ok(()),
                },
                Err(StoreError::Refused(source)) => match records.as_mut_slice() {
                    // Twice alone, because the first time a neighbour in another partition may
                    // have written the same row meanwhile.
                    [record] if refused_alone => record.content = refused(&source),
                    [_] => refused_alone = true,
                    _ => tail.push(records.split_off(records.len() / 2)),
                },
                Err(error) => {
                    while let Some(mut rest) = tail.pop() {
                        records.append(&mut rest);
                    }
                    return Err(self.fenced_or(error, records).await);
                }
            }
        }
    }

    async fn apply_once(&mut self, records: &mut Vec<Record>) -> Result<(), StoreError> {
        let began = Instant::now();
        let spans = self.lanes.spans(records);
        let outcomes = apply_batch::<P>(&self.shared.bench(), &spans, records).await?;
        self.applied(&spans, outcomes, records, began);
        records.clear();
        Ok(())
    }

    fn applied(&mut self, spans: &[Span], outcomes: Outcomes, records: &[Record], began: Instant) {
        let shared = &self.shared;
        shared.postgres.up();
        self.lanes.advance(spans);
        let mut progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        progress.extend(spans.iter().map(|span| (span.key, span.to)));
        drop(progress);
        shared.committed(outcomes);
        shared.metrics.batch_records.record(records.len() as f64);
        shared.metrics.batch_seconds.record(began.elapsed().as_secs_f64());
        if let Some(last) = records.last() {
            let age = chassis::clock::now() - last.recorded_at.to_utc();
            shared.metrics.event_age_seconds.set(age.num_milliseconds() as f64 / 1000.0);
        }
    }

    /// A position that is not where this worker left it was either moved by its own commit, whose
    /// answer was lost, or taken by another worker.
    async fn fenced_or(&mut self, error: StoreError, records: &mut Vec<Record>) -> Setback {
        if !matches!(error, StoreError::Fenced) {
            return self.setback(error);
        }
        let spans = self.lanes.spans(records);
        match positions::still_held(&self.shared.pool, &self.shared.names, &spans).await {
            Err(error) => self.setback(error),
            Ok(held) if held.len() == spans.len() => {
                for (key, next) in held {
                    self.lanes.correct(key, next);
                }
                records.retain(|record| self.lanes.admits(record.source, record.epoch));
                Setback::Wait("the last commit was heard late".to_owned())
            }
            Ok(_) => {
                self.shared.metrics.fenced.increment(1);
                Setback::End(WorkerError::Fenced)
            }
        }
    }
}

/// Code and constraint only: the database's message may repeat what the record holds.
fn refused(error: &sqlx::Error) -> Content {
    let database = error.as_database_error();
    let code = database.and_then(|e| e.code()).unwrap_or_default();
    let constraint = database.and_then(|e| e.constraint()).unwrap_or("no constraint");
    let detail = format!("the database refused it: SQLSTATE {code}, {constraint}");
    Content::Poison { cause: "refused-by-database", detail }
}
