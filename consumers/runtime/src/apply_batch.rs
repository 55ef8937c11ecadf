//! The runtime's whole story: begin, take the position, load, decide, save, park, commit. Retries
//! nothing: the caller knows what a failure means.

use events_schema::Timestamp;
use events_schema::wire::Encoder;
use sqlx::{PgConnection, PgPool};

use crate::error::StoreError;
use crate::lanes::Span;
use crate::parking::{Parking, Reason};
use crate::projection::{Batch, Delivered, Projection};
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

/// Applies records and moves their lanes by `spans`, in one transaction. After a failure nothing of
/// it is in the database, and `records` are as they were.
pub(crate) async fn apply_batch<P: Projection>(
    bench: &Bench<'_>,
    spans: &[Span],
    records: &mut [Record],
) -> Result<Outcomes, StoreError> {
    let mut transaction = bench.pool.begin().await?;
    positions::advance(&mut transaction, bench.names, spans).await?;
    if faults::position_first() {
        transaction.commit().await?;
        transaction = bench.pool.begin().await?;
    }
    let mut batch = Batch { decided_at: Timestamp::from(chassis::clock::now()), records: vec![] };
    let applied = settle::<P>(&mut transaction, bench, records, &mut batch).await;
    restore(records, &mut batch);
    let outcomes = applied?;
    transaction.commit().await?;
    Ok(outcomes)
}

/// Decides until nothing more is rejected, then writes. A rejection changes what its neighbours of
/// the same subject meet, so the rest is loaded and decided again without them.
async fn settle<P: Projection>(
    conn: &mut PgConnection,
    bench: &Bench<'_>,
    records: &mut [Record],
    batch: &mut Batch,
) -> Result<Outcomes, StoreError> {
    let mut parking = Parking::probe(conn, bench.names, records).await?;
    loop {
        let reasons = parking.sift(records);
        take(records, &reasons, batch);
        let decision = match batch.records.is_empty() {
            true => crate::Decision::default(),
            false => P::decide(P::load(conn, batch).await?, batch),
        };
        if !decision.rejections.is_empty() {
            restore(records, batch);
            parking.reject(decision.rejections);
            continue;
        }
        if !decision.changes.is_empty() {
            P::save(conn, &decision.changes).await?;
        }
        outbox::save(conn, bench, &decision.follow_ups).await?;
        Parking::save(conn, bench.names, records, &reasons).await?;
        let rejected = reasons.iter().flatten().count();
        let duplicate = decision.duplicates.len();
        return Ok(Outcomes {
            applied: records.len().saturating_sub(rejected).saturating_sub(duplicate),
            duplicate,
            rejected,
            follow_ups: decision.follow_ups.len(),
        });
    }
}

/// Moves the events that are to be decided into the batch.
fn take(records: &mut [Record], reasons: &[Option<Reason>], batch: &mut Batch) {
    for (record, reason) in records.iter_mut().zip(reasons) {
        if reason.is_some() || !matches!(record.content, Content::Event(_)) {
            continue;
        }
        if let Content::Event(event) = std::mem::replace(&mut record.content, Content::Taken) {
            let (source, recorded_at) = (record.source, record.recorded_at);
            batch.records.push(Delivered { source, recorded_at, event });
        }
    }
}

/// Moves them back, in the same order.
fn restore(records: &mut [Record], batch: &mut Batch) {
    let taken = records.iter_mut().filter(|record| matches!(record.content, Content::Taken));
    for (record, delivered) in taken.zip(batch.records.drain(..)) {
        record.content = Content::Event(delivered.event);
    }
}

#[cfg(test)]
mod tests;
