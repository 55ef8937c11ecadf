//! Records on their way through a projection, in one transaction of somebody else's: sifted, decided,
//! saved. Begins and commits nothing.

use std::borrow::Cow;
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

/// Records on their way through a projection, and what decide said against some of them.
pub(crate) struct Deciding<'a> {
    pub records: &'a [Record],
    decided_at: Timestamp,
    rejected: Vec<Rejection>,
}

impl<'a> Deciding<'a> {
    pub(crate) fn new(records: &'a [Record]) -> Self {
        let decided_at = Timestamp::from(chassis::clock::now());
        Self { records, decided_at, rejected: vec![] }
    }

    /// Decides and saves; `None` where decide rejected records that it should not be shown again: a
    /// rejection changes what its neighbours of the same subject meet, so the caller rolls back, and
    /// the rest is decided anew without them. Ends, because each pass is about fewer records.
    pub(crate) async fn decide_and_save<P: Projection>(
        &mut self,
        conn: &mut PgConnection,
        context: &ApplyContext<'_>,
        parking: Parking,
    ) -> Result<Option<Decided>, StoreError> {
        let reasons = self.sift(parking);
        let batch = self.batch(&reasons);
        let decision = match batch.records.is_empty() {
            true => Decision::default(),
            false => P::decide(P::load(&mut *conn, &batch).await?, &batch),
        };
        let Some((decision, decided)) = self.settle(&batch, reasons, decision)? else {
            return Ok(None);
        };
        follow_ups::save(&mut *conn, context, self.records, &decision.follow_ups).await?;
        // Last, because it locks rows that other workers want.
        if !decision.changes.is_empty() {
            P::save(conn, &decision.changes).await?;
        }
        Ok(Some(decided))
    }

    /// Decides by what is there, and saves nothing.
    pub(crate) async fn look<P: Projection>(
        &mut self,
        conn: &mut PgConnection,
    ) -> Result<Option<Decided>, StoreError> {
        let reasons = self.sift(Parking::default());
        let batch = self.batch(&reasons);
        let decision = match batch.records.is_empty() {
            true => Decision::default(),
            false => P::decide(P::look(conn, &batch).await?, &batch),
        };
        Ok(self.settle(&batch, reasons, decision)?.map(|(_, decided)| decided))
    }

    fn sift(&self, mut parking: Parking) -> Vec<Option<Reason>> {
        parking.reject(&self.rejected);
        parking.sift(self.records)
    }

    /// The events that are to be decided, which stay where they are.
    fn batch(&self, reasons: &[Option<Reason>]) -> Batch<'a> {
        let flows = self.records.iter().zip(reasons).filter(|(_, reason)| reason.is_none());
        let delivered = |(record, _): (&'a Record, _)| {
            let Content::Event(event) = &record.content else { return None };
            let (source, recorded_at) = (record.source, record.recorded_at);
            Some(Delivered { source, recorded_at, event: Cow::Borrowed(event) })
        };
        Batch { decided_at: self.decided_at, records: flows.filter_map(delivered).collect() }
    }

    fn settle<C>(
        &mut self,
        batch: &Batch<'_>,
        reasons: Vec<Option<Reason>>,
        mut decision: Decision<C>,
    ) -> Result<Option<(Decision<C>, Decided)>, StoreError> {
        let rejections = std::mem::take(&mut decision.rejections);
        if !rejections.is_empty() {
            return self.reject(batch, rejections).map(|()| None);
        }
        let outcomes = self.count(batch, &reasons, &decision)?;
        Ok(Some((decision, Decided { reasons, outcomes })))
    }

    fn reject(&mut self, batch: &Batch<'_>, rejections: Vec<Rejection>) -> Result<(), StoreError> {
        let shown: HashSet<Source> = batch.records.iter().map(|r| r.source).collect();
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
        batch: &Batch<'_>,
        reasons: &[Option<Reason>],
        decision: &Decision<C>,
    ) -> Result<Outcomes, StoreError> {
        let refused = decision.refusals.iter().map(|refusal| refusal.source);
        let without: HashSet<Source> = decision.duplicates.iter().copied().chain(refused).collect();
        let is_new = |record: &&Delivered<'_>| !without.contains(&record.source);
        let flows = self.records.iter().zip(reasons).filter(|(_, reason)| reason.is_none());
        let irrelevant = flows.filter(|(r, _)| matches!(r.content, Content::Irrelevant)).count();
        let outcomes = Outcomes {
            applied: batch.records.iter().filter(is_new).count() + irrelevant,
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
}
