//! The runtime's whole story: begin, take the position, load, decide, save, park, commit. Retries
//! nothing: the caller knows what a failure means.

use std::collections::HashSet;
use std::io::ErrorKind;
use std::time::Duration;

use events_schema::Timestamp;
use events_schema::wire::Encoder;
use sqlx::{Connection, PgConnection, PgPool};

use crate::error::StoreError;
use crate::lanes::Span;
use crate::parking::{Parking, Reason};
use crate::projection::{Batch, Decision, Delivered, Projection, Rejection, Source};
use crate::record::{Content, Record};
use crate::topic_names::TopicNames;
use crate::{faults, outbox, positions};

/// What a batch is applied with.
pub(crate) struct Bench<'a> {
    pub pool: &'a PgPool,
    pub names: &'a TopicNames,
    pub encoder: &'a Encoder,
    /// `ce_source` of what is published.
    pub source: &'a str,
}

/// How the records of a batch ended: every one is exactly one of these.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Outcomes {
    pub applied: usize,
    pub duplicate: usize,
    pub rejected: usize,
    /// Events that wait in the outbox; not an outcome of a record.
    pub follow_ups: usize,
}

/// A batch of which is not known that it was applied.
#[derive(Debug)]
pub(crate) struct NotApplied {
    pub error: StoreError,
    /// It was sent to be committed with these outcomes, and the answer was lost: the positions say
    /// whether it was.
    pub unheard: Option<Outcomes>,
}

/// Longer than any statement may take: an answer that is not there by then is not coming.
const ANSWER: Duration = Duration::from_secs(45);

/// Applies records and moves their lanes by `spans`, in one transaction. After a failure `records`
/// are as they were, and nothing of it is in the database unless it is `unheard`.
pub(crate) async fn apply_batch<P: Projection>(
    bench: &Bench<'_>,
    spans: &[Span],
    records: &mut [Record],
) -> Result<Outcomes, NotApplied> {
    let decided_at = Timestamp::from(chassis::clock::now());
    let batch = Batch { decided_at, records: vec![] };
    let mut attempt = Attempt { bench, spans, records, batch, rejected: vec![], unheard: None };
    let settled = attempt.settle::<P>().await;
    attempt.restore();
    settled.map_err(|error| NotApplied { error, unheard: attempt.unheard })
}

/// One batch on its way. The records that are being decided are in `batch` meanwhile, so that they
/// are not lost where a transaction is given up half-way.
struct Attempt<'a> {
    bench: &'a Bench<'a>,
    spans: &'a [Span],
    records: &'a mut [Record],
    batch: Batch,
    rejected: Vec<Rejection>,
    unheard: Option<Outcomes>,
}

impl Attempt<'_> {
    /// Decides until nothing more is rejected. A rejection changes what its neighbours of the same
    /// subject meet, so the rest is loaded and decided again without them, in another transaction:
    /// of what the first one wrote nothing stays. Ends, because each pass is about fewer records.
    async fn settle<P: Projection>(&mut self) -> Result<Outcomes, StoreError> {
        loop {
            let mut conn = self.bench.pool.acquire().await?;
            match tokio::time::timeout(ANSWER, self.pass::<P>(&mut conn)).await {
                Ok(Ok(Some(outcomes))) => return Ok(outcomes),
                Ok(Ok(None)) => self.restore(),
                Ok(Err(error)) => return Err(error),
                Err(_) => {
                    // What it is waiting for, nobody knows: it must not be used again.
                    conn.close_on_drop();
                    let late = std::io::Error::from(ErrorKind::TimedOut);
                    return Err(StoreError::Retry(sqlx::Error::Io(late)));
                }
            }
        }
    }

    /// One transaction; `None` where decide rejected records that it should not be shown again.
    async fn pass<P: Projection>(
        &mut self,
        conn: &mut PgConnection,
    ) -> Result<Option<Outcomes>, StoreError> {
        let names = self.bench.names;
        let mut transaction = conn.begin().await?;
        positions::advance(&mut transaction, names, self.spans).await?;
        if faults::position_first() {
            transaction.commit().await?;
            transaction = conn.begin().await?;
        }
        let mut parking = Parking::probe(&mut transaction, names, self.records).await?;
        parking.reject(&self.rejected);
        let reasons = parking.sift(self.records);
        self.take(&reasons);
        let decision = match self.batch.records.is_empty() {
            true => Decision::default(),
            false => P::decide(P::load(&mut transaction, &self.batch).await?, &self.batch),
        };
        if !decision.rejections.is_empty() {
            transaction.rollback().await?;
            return self.reject(decision.rejections).map(|()| None);
        }
        let outcomes = self.count(&reasons, &decision)?;
        if !decision.changes.is_empty() {
            P::save(&mut transaction, &decision.changes).await?;
        }
        outbox::save(&mut transaction, self.bench, self.records, &decision.follow_ups).await?;
        Parking::save(&mut transaction, names, self.records, &reasons).await?;
        self.unheard = Some(outcomes);
        transaction.commit().await?;
        Ok(Some(outcomes))
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

    /// Received = applied + duplicate + rejected, each counted by itself.
    fn count<C>(
        &self,
        reasons: &[Option<Reason>],
        decision: &Decision<C>,
    ) -> Result<Outcomes, StoreError> {
        let duplicates: HashSet<Source> = decision.duplicates.iter().copied().collect();
        let is_new = |record: &&Delivered| !duplicates.contains(&record.source);
        let flows = self.records.iter().zip(reasons).filter(|(_, reason)| reason.is_none());
        let irrelevant = flows.filter(|(r, _)| matches!(r.content, Content::Irrelevant)).count();
        let outcomes = Outcomes {
            applied: self.batch.records.iter().filter(is_new).count() + irrelevant,
            duplicate: decision.duplicates.len(),
            rejected: reasons.iter().flatten().count(),
            follow_ups: decision.follow_ups.len(),
        };
        let received = self.records.len();
        match outcomes.applied + outcomes.duplicate + outcomes.rejected == received {
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
    fn restore(&mut self) {
        let taken = self.records.iter_mut().filter(|r| matches!(r.content, Content::Taken));
        for (record, delivered) in taken.zip(self.batch.records.drain(..)) {
            record.content = Content::Event(delivered.event);
        }
    }
}

#[cfg(test)]
mod tests;
