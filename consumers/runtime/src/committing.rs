//! What a worker does once it knows, or has to find out, whether a batch was committed.

use std::sync::PoisonError;
use std::time::Instant;

use crate::error::StoreError;
use crate::lanes::Span;
use crate::positions;
use crate::projection::Projection;
use crate::share::Outcomes;
use crate::worker::{Setback, Worker};

impl<P: Projection> Worker<P> {
    pub(crate) fn applied(&mut self, spans: &[Span], outcomes: Outcomes, began: Instant) {
        let shared = &self.shared;
        let share = self.pending.next();
        shared.metrics.batch_records.record(share.len() as f64);
        shared.metrics.batch_seconds.record(began.elapsed().as_secs_f64());
        if let Some(last) = share.last() {
            let age = chassis::clock::now() - last.recorded_at.to_utc();
            shared.metrics.event_age_seconds.set(age.num_milliseconds() as f64 / 1000.0);
        }
        self.pending.applied();
        self.breakers.settle();
        self.unheard = None;
        self.committed(spans, outcomes);
    }

    fn committed(&mut self, spans: &[Span], outcomes: Outcomes) {
        self.postgres_answered();
        self.lanes.advance(spans);
        if !self.stood_at.is_empty() {
            spans.iter().for_each(|span| self.moves_on(span.key));
        }
        let mut progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        progress.extend(spans.iter().map(|span| (span.key, span.to)));
        drop(progress);
        self.shared.committed(outcomes);
    }

    /// A position that is not where this worker left it was moved by its own commit, whose answer
    /// was lost; or another worker took it; or the database lost commits.
    pub(crate) async fn fenced(&mut self, spans: &[Span]) -> Result<(), Setback> {
        let shared = &self.shared;
        let held = positions::still_held(&shared.pool, &shared.names, spans).await;
        let held = held.map_err(|error| self.setback(error))?;
        if held.len() != spans.len() {
            return Err(self.setback(StoreError::Fenced));
        }
        if let Some((spans, outcomes)) = self.unheard.take()
            && spans.iter().all(|span| held.get(&span.key) == Some(&span.to))
        {
            self.committed(&spans, outcomes);
        }
        for (key, next) in held {
            self.lanes.correct(key, next);
        }
        Err(Setback::Wait("the last commit was heard late".to_owned()))
    }
}
