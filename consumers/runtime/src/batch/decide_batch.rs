//! Records on their way through a projection, in one transaction of somebody else's: sifted, decided,
//! saved. Begins and commits nothing.

use std::collections::HashSet;

use events_schema::Timestamp;
use sqlx::PgConnection;

use crate::batch::apply_context::ApplyContext;
use crate::batch::follow_ups;
use crate::batch::parking::{Parking, Reason};
use crate::error::StoreError;
use crate::metrics::Metrics;
use crate::partition::Source;
use crate::projection::{Batch, Decision, Delivered, Projection, Rejection};
use crate::record::{Content, Record};

/// How the records of a batch ended: every one is exactly one of these.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Outcomes {
    pub applied: usize,
    pub duplicate: usize,
    /// By a rule of the domain: nothing is wrong with the record.
    pub refused: usize,
    /// Parked.
    pub rejected: usize,
    /// Events that wait in the outbox; not an outcome of a record.
    pub follow_ups: usize,
}

impl Outcomes {
    /// The records that ended.
    pub(crate) fn received(&self) -> usize {
        self.applied + self.duplicate + self.refused + self.rejected
    }

    pub(crate) fn count(&self, metrics: &Metrics) {
        metrics.applied.increment(self.applied as u64);
        metrics.duplicate.increment(self.duplicate as u64);
        metrics.refused.increment(self.refused as u64);
        metrics.rejected.increment(self.rejected as u64);
    }
}

/// What became of each record, in order: why it parks, or `None` where its effect is written.
#[derive(Debug, Default)]
pub(crate) struct Decided {
    pub reasons: Vec<Option<Reason>>,
    pub outcomes: Outcomes,
}

/// The records that are being decided are in `batch` meanwhile, so that they are not lost where a
/// transaction is given up half-way.
pub(crate) struct Share<'a> {
    pub records: &'a mut [Record],
    batch: Batch,
    rejected: Vec<Rejection>,
}

impl<'a> Share<'a> {
    pub(crate) fn new(records: &'a mut [Record]) -> Self {
        let decided_at = Timestamp::from(chassis::clock::now());
        Self { records, batch: Batch { decided_at, records: vec![] }, rejected: vec![] }
    }

    /// Decides and saves; `None` where decide rejected records that it should not be shown again: a
    /// rejection changes what its neighbours of the same subject meet, so the caller rolls back, and
    /// the rest is decided anew without them. Ends, because each pass is about fewer records.
    pub(crate) async fn pass<P: Projection>(
        &mut self,
        conn: &mut PgConnection,
        context: &ApplyContext<'_>,
        parking: Parking,
    ) -> Result<Option<Decided>, StoreError> {
        let reasons = self.sift(parking);
        let decision = match self.batch.records.is_empty() {
            true => Decision::default(),
            false => P::decide(P::load(&mut *conn, &self.batch).await?, &self.batch),
        };
        let Some((decision, decided)) = self.settle(reasons, decision)? else { return Ok(None) };
        if !decision.changes.is_empty() {
            P::save(&mut *conn, &decision.changes).await?;
        }
        follow_ups::save(conn, context, self.records, &decision.follow_ups).await?;
        Ok(Some(decided))
    }

    /// Decides as `pass`, by what is there, and saves nothing.
    pub(crate) async fn look<P: Projection>(
        &mut self,
        conn: &mut PgConnection,
    ) -> Result<Option<Decided>, StoreError> {
        let reasons = self.sift(Parking::default());
        let decision = match self.batch.records.is_empty() {
            true => Decision::default(),
            false => P::decide(P::look(conn, &self.batch).await?, &self.batch),
        };
        Ok(self.settle(reasons, decision)?.map(|(_, decided)| decided))
    }

    fn sift(&mut self, mut parking: Parking) -> Vec<Option<Reason>> {
        parking.reject(&self.rejected);
        let reasons = parking.sift(self.records);
        self.take(&reasons);
        reasons
    }

    fn settle<C>(
        &mut self,
        reasons: Vec<Option<Reason>>,
        mut decision: Decision<C>,
    ) -> Result<Option<(Decision<C>, Decided)>, StoreError> {
        let rejections = std::mem::take(&mut decision.rejections);
        if !rejections.is_empty() {
            return self.reject(rejections).map(|()| None);
        }
        let outcomes = self.count(&reasons, &decision)?;
        Ok(Some((decision, Decided { reasons, outcomes })))
    }

    fn reject(&mut self, rejections: Vec<Rejection>) -> Result<(), StoreError> {
        let shown: HashSet<Source> = self.batch.records.iter().map(|r| r.source).collect();
        if let Some(foreign) = rejections.iter().find(|r| !shown.contains(&r.source)) {
            let what = format!("decide rejects {:?}, which is not in the batch", foreign.source);
            return Err(StoreError::Broken(what));
        }
        self.rejected.extend(rejections);
        Ok(())
    }

    /// Received = applied + duplicate + refused + rejected, each counted by itself.
    fn count<C>(
        &self,
        reasons: &[Option<Reason>],
        decision: &Decision<C>,
    ) -> Result<Outcomes, StoreError> {
        let refused = decision.refusals.iter().map(|refusal| refusal.source);
        let without: HashSet<Source> = decision.duplicates.iter().copied().chain(refused).collect();
        let is_new = |record: &&Delivered| !without.contains(&record.source);
        let flows = self.records.iter().zip(reasons).filter(|(_, reason)| reason.is_none());
        let irrelevant = flows.filter(|(r, _)| matches!(r.content, Content::Irrelevant)).count();
        let outcomes = Outcomes {
            applied: self.batch.records.iter().filter(is_new).count() + irrelevant,
            duplicate: decision.duplicates.len(),
            refused: decision.refusals.len(),
            rejected: reasons.iter().flatten().count(),
            follow_ups: decision.follow_ups.len(),
        };
        let received = self.records.len();
        match outcomes.received() == received {
            true => Ok(outcomes),
            false => Err(StoreError::Broken(format!("{received} records ended as {outcomes:?}"))),
        }
    }

    /// Moves the events that are to be decided into the batch.
    fn take(&mut self, reasons: &[Option<Reason>]) {
        for (record, reason) in self.records.iter_mut().zip(reasons) {
            if reason.is_some() || !matches!(record.content, Content::Event(_)) {
                continue;
            }
            if let Content::Event(event) = std::mem::replace(&mut record.content, Content::Taken) {
                let (source, recorded_at) = (record.source, record.recorded_at);
                self.batch.records.push(Delivered { source, recorded_at, event });
            }
        }
    }

    /// Moves them back, in the same order.
    pub(crate) fn restore(&mut self) {
        let taken = self.records.iter_mut().filter(|r| matches!(r.content, Content::Taken));
        for (record, delivered) in taken.zip(self.batch.records.drain(..)) {
            record.content = Content::Event(delivered.event);
        }
    }
}
