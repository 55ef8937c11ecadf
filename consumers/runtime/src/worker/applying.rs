//! How a worker applies its next batch, and what follows from how that ended. When, the loop says.

use std::time::{Duration, Instant};

use postgres_client::{CONVERSATION, within};

use crate::batch::apply_batch::{ANSWER, ApplyError, NotApplied, apply_batch};
use crate::batch::apply_context::ApplyContext;
use crate::batch::decide_batch::Outcomes;
use crate::error::StoreError;
use crate::ownership::owned_partitions::PositionMove;
use crate::ownership::positions;
use crate::ownership::stop::Stop;
use crate::partition::{Epoch, TopicPartition};
use crate::projection::Projection;
use crate::record::Record;
use crate::worker::event_loop::Worker;
use crate::worker::in_doubt::InDoubt;
use crate::worker::schema_resolver::unresolved;
use crate::worker::step_error::StepError;

impl<P: Projection> Worker<P> {
    /// One transaction; what the database refuses makes the next one smaller.
    pub(crate) async fn step(&mut self) -> Result<(), StepError> {
        self.gather();
        let assignments = &self.assignments;
        self.pending.records.retain(|record| assignments.admits(record.source, record.epoch));
        if self.pending.records.is_empty() {
            return Ok(());
        }
        self.schemas.resolve(&mut self.pending).await;
        if self.pending.next().is_empty() {
            return self.stop(unresolved(&self.pending.records)).await;
        }
        if !self.workers.postgres.permits(ANSWER) {
            return Err(StepError::BreakerOpen);
        }
        let began = Instant::now();
        let shared = &self.workers.shared;
        let context = ApplyContext::from(&**shared);
        let records = self.pending.next();
        let moves = self.assignments.owned().moves(records);
        let (connection, breakers) = (&mut self.connection, &mut self.breakers);
        let applied = apply_batch::<P>(connection, &context, &moves, breakers, records).await;
        match applied {
            Ok(outcomes) => {
                self.measure(began.elapsed());
                self.committed(&moves, outcomes, Some(began.elapsed()));
                Ok(())
            }
            Err(failed) => self.not_applied(failed, moves).await,
        }
    }

    /// A probe takes all that there is.
    fn gather(&mut self) {
        let room = self.workers.shared.settings.batch_records_max;
        while self.breakers.is_probing() && self.pending.records.len() < room {
            let Ok(record) = self.poller.records.try_recv() else { return };
            self.pending.records.push(record);
        }
    }

    async fn not_applied(
        &mut self,
        NotApplied { why, in_doubt }: NotApplied,
        moves: Vec<PositionMove>,
    ) -> Result<(), StepError> {
        if !matches!(why, ApplyError::Store(StoreError::Retry(_) | StoreError::Slow(_))) {
            self.workers.postgres.answered();
        }
        match why {
            ApplyError::Stop(stops) => self.stop(stops).await,
            ApplyError::Store(StoreError::Refused(refused)) => {
                self.pending.refused(&refused).map_err(|error| self.step_error(error))
            }
            ApplyError::Store(StoreError::Fenced) => self.fenced(&moves).await,
            ApplyError::Store(error) => {
                let in_doubt = in_doubt.map(|outcomes| InDoubt { moves, outcomes });
                self.in_doubt = in_doubt.or(self.in_doubt.take());
                Err(self.too_much_or_away(error))
            }
        }
    }

    /// Too much at once is no outage, and is said as what it is: a pause, then half as much.
    fn too_much_or_away(&mut self, error: StoreError) -> StepError {
        let is_answered = |error: &sqlx::Error| error.as_database_error().is_some();
        match error {
            StoreError::Slow(source) => {
                let halved = self.pending.too_much();
                if halved && is_answered(&source) {
                    self.workers.postgres.answered();
                    let next = self.pending.next().len();
                    return StepError::Retry(format!(
                        "too much at once, {next} records next: {source}"
                    ));
                }
                self.step_error(StoreError::Slow(source))
            }
            error => self.step_error(error),
        }
    }

    fn measure(&mut self, took: Duration) {
        let metrics = &self.workers.shared.metrics;
        let records = self.pending.next();
        metrics.batch_records.record(records.len() as f64);
        metrics.batch_seconds.record(took.as_secs_f64());
        if let Some(last) = records.last() {
            let age = chassis::clock::now() - last.recorded_at.to_utc();
            metrics.event_age_seconds.set(age.num_milliseconds() as f64 / 1000.0);
        }
    }

    /// A batch was committed, whether that was answered at once or found out later. It is known how
    /// long it took only where it was answered.
    fn committed(&mut self, moves: &[PositionMove], outcomes: Outcomes, took: Option<Duration>) {
        self.moved(moves);
        let assignments = &self.assignments;
        let is_left = |record: &Record| assignments.admits(record.source, record.epoch);
        self.pending.committed(took, is_left);
        let shared = &self.workers.shared;
        outcomes.count(&shared.metrics);
        shared.wake(outcomes.follow_ups);
    }

    /// A position that is not where this worker left it was moved by its own commit, whose answer
    /// was lost; or another worker took it; or the database lost commits.
    async fn fenced(&mut self, moves: &[PositionMove]) -> Result<(), StepError> {
        let shared = &self.workers.shared;
        let in_doubt = self.in_doubt.as_ref();
        let in_doubt = in_doubt.and_then(|in_doubt| in_doubt.of(self.assignments.owned()));
        let asked = InDoubt::beside(in_doubt.as_ref(), moves);
        let held = positions::still_held(&shared.pool, &shared.names, &asked).await;
        let held = held.map_err(|error| self.step_error(error))?;
        if held.len() != asked.len() {
            return Err(self.step_error(StoreError::Fenced));
        }
        if let Some(in_doubt) = in_doubt.filter(|in_doubt| in_doubt.is_committed(&held)) {
            self.committed(&in_doubt.moves, in_doubt.outcomes, None);
        }
        self.in_doubt = None;
        for (key, next) in held {
            self.assignments.correct(key, next);
        }
        Err(StepError::Retry("the last commit was in doubt".to_owned()))
    }

    /// Stops partitions at work, of these those that it owns.
    async fn stop(&mut self, stops: Vec<(TopicPartition, Stop)>) -> Result<(), StepError> {
        let owned = self.assignments.owned();
        let epoch = |(key, stop): (TopicPartition, Stop)| {
            owned.get(key).map(|start| (key, start.epoch, stop))
        };
        let stops: Vec<(TopicPartition, Epoch, Stop)> =
            stops.into_iter().filter_map(epoch).collect();
        let (pool, names) = (&self.workers.shared.pool, &self.workers.shared.names);
        let noted = within(CONVERSATION, positions::note_stops(pool, names, &stops)).await;
        noted.map_err(|error| self.step_error(error))?;
        let stops = stops.into_iter().map(|(key, _, stop)| (key, stop)).collect();
        let effects = self.assignments.stop(stops, tokio::time::Instant::now());
        self.perform(effects);
        Ok(())
    }

    /// What comes next of these partitions cannot be read.
    pub(crate) async fn stop_unreadable(
        &mut self,
        keys: Vec<TopicPartition>,
    ) -> Result<(), StepError> {
        let owned = self.assignments.owned();
        let stop = |key| owned.get(key).map(|start| (key, Stop::Unreadable { next: start.next }));
        self.stop(keys.into_iter().filter_map(stop).collect()).await
    }
}
