//! What a worker does once it knows, or has to find out, whether a batch was committed.

use std::sync::PoisonError;
use std::time::Instant;

use crate::batch::decide_batch::Outcomes;
use crate::error::StoreError;
use crate::ownership::owned_partitions::PositionMove;
use crate::ownership::positions;
use crate::projection::Projection;
use crate::worker::event_loop::{StepError, Worker};

/// A batch that was sent to be committed, and whose answer was lost.
pub(crate) struct InDoubt {
    pub moves: Vec<PositionMove>,
    pub outcomes: Outcomes,
}

impl<P: Projection> Worker<P> {
    pub(crate) fn applied(&mut self, moves: &[PositionMove], outcomes: Outcomes, began: Instant) {
        let shared = &self.shared;
        let share = self.pending.next();
        shared.metrics.batch_records.record(share.len() as f64);
        shared.metrics.batch_seconds.record(began.elapsed().as_secs_f64());
        if let Some(last) = share.last() {
            let age = chassis::clock::now() - last.recorded_at.to_utc();
            shared.metrics.event_age_seconds.set(age.num_milliseconds() as f64 / 1000.0);
        }
        self.pending.applied(began.elapsed());
        self.committed(moves, outcomes);
    }

    /// What follows from a commit, whenever it is heard of.
    fn committed(&mut self, moves: &[PositionMove], outcomes: Outcomes) {
        self.passed(moves);
        self.shared.committed(outcomes);
    }

    /// The positions have moved.
    pub(crate) fn passed(&mut self, moves: &[PositionMove]) {
        self.postgres_answered();
        self.breakers.settle();
        self.in_doubt = None;
        self.owned.advance(moves);
        if !self.stopped_at.is_empty() {
            moves.iter().for_each(|moved| self.moves_on(moved.key));
        }
        let mut progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        progress.extend(moves.iter().map(|moved| (moved.key, moved.to)));
    }

    /// A position that is not where this worker left it was moved by its own commit, whose answer
    /// was lost; or another worker took it; or the database lost commits.
    pub(crate) async fn fenced(&mut self, moves: &[PositionMove]) -> Result<(), StepError> {
        let shared = &self.shared;
        let in_doubt = self.doubted();
        let is_new = |moved: &&PositionMove| moves.iter().all(|other| other.key != moved.key);
        let doubted = in_doubt.iter().flat_map(|in_doubt| &in_doubt.moves);
        // The batch that is tried now need not be as large as the one in doubt was.
        let asked: Vec<PositionMove> =
            moves.iter().chain(doubted.filter(is_new)).copied().collect();
        let held = positions::still_held(&shared.pool, &shared.names, &asked).await;
        let held = held.map_err(|error| self.step_error(error))?;
        if held.len() != asked.len() {
            return Err(self.step_error(StoreError::Fenced));
        }
        let is_there = |moved: &PositionMove| held.get(&moved.key) == Some(&moved.to);
        if let Some(InDoubt { moves, outcomes }) = in_doubt
            && moves.iter().all(is_there)
        {
            self.committed(&moves, outcomes);
            let owned = &self.owned;
            self.pending.committed_late(|record| owned.admits(record.source, record.epoch));
        }
        self.in_doubt = None;
        for (key, next) in held {
            self.owned.correct(key, next);
        }
        Err(StepError::Retry("the last commit was in doubt".to_owned()))
    }

    /// The batch in doubt, of which partitions may have been given up meanwhile: it was committed
    /// whole or not at all, so that any of them tells.
    fn doubted(&self) -> Option<InDoubt> {
        let InDoubt { moves, outcomes } = self.in_doubt.as_ref()?;
        let owned = |moved: &PositionMove| self.owned.get(moved.key);
        let ours =
            |moved: &&PositionMove| owned(moved).is_some_and(|owned| owned.epoch == moved.epoch);
        let moves: Vec<PositionMove> = moves.iter().filter(ours).copied().collect();
        (!moves.is_empty()).then_some(InDoubt { moves, outcomes: *outcomes })
    }
}
