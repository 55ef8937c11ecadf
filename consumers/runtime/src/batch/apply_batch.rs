//! The runtime's whole story: begin, take the position, load, decide, save, park, commit. Retries
//! nothing: the caller knows what a failure means.

use std::io::ErrorKind;
use std::time::Duration;

use postgres_client::Pinned;
use sqlx::{Connection, PgConnection};

use crate::batch::apply_context::ApplyContext;
use crate::batch::decide_batch::{Deciding, Outcomes};
use crate::batch::parking::Parking;
use crate::batch::partition_breaker::PartitionBreakers;
use crate::error::StoreError;
use crate::ownership::owned_partitions::PositionMove;
use crate::ownership::positions;
use crate::ownership::stop::Stop;
use crate::partition::TopicPartition;
use crate::projection::Projection;
use crate::record::Record;

/// A batch of which is not known that it was applied.
#[derive(Debug)]
pub(crate) struct NotApplied {
    pub why: ApplyError,
    /// It was sent to be committed with these outcomes, and the answer was lost: the positions say
    /// whether it was.
    pub in_doubt: Option<Outcomes>,
}

/// What kept a batch from being applied.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApplyError {
    #[error(transparent)]
    Store(#[from] StoreError),
    /// These partitions must not go on like this; nothing is wrong with the others.
    #[error("partitions have to stop")]
    Stop(Vec<(TopicPartition, Stop)>),
}

impl From<sqlx::Error> for ApplyError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

/// An answer that is not there by then is not coming. Longer than a statement may take, or than a
/// transaction may stand still: whoever holds the rows of the batch has ended by then.
pub(crate) const ANSWER: Duration = Duration::from_secs(6);

/// Batches that come in between of one: more are no coincidence, but a store that always says so.
pub(crate) const OVERTAKEN_MAX: usize = 1000;

/// Applies records and moves their partitions by these moves, in one transaction. After a failure
/// nothing of it is in the database, unless it is `in_doubt`.
pub(crate) async fn apply_batch<P: Projection>(
    connection: &mut Pinned,
    context: &ApplyContext<'_>,
    moves: &[PositionMove],
    breakers: &mut PartitionBreakers,
    records: &[Record],
) -> Result<Outcomes, NotApplied> {
    let deciding = Deciding::new(records);
    let mut attempt = Attempt { connection, context, moves, breakers, deciding, in_doubt: None };
    let applied = attempt.until_decided::<P>().await;
    applied.map_err(|why| NotApplied { why, in_doubt: attempt.in_doubt })
}

/// One batch on its way.
struct Attempt<'a> {
    connection: &'a mut Pinned,
    context: &'a ApplyContext<'a>,
    moves: &'a [PositionMove],
    /// Of the batch's partitions.
    breakers: &'a mut PartitionBreakers,
    deciding: Deciding<'a>,
    in_doubt: Option<Outcomes>,
}

impl Attempt<'_> {
    /// Decides until nothing more is rejected and nobody came in between, each time in another
    /// transaction: of what the one before wrote nothing stays. Whoever is overtaken was so by a batch
    /// that is committed, so somebody always gets on.
    async fn until_decided<P: Projection>(&mut self) -> Result<Outcomes, ApplyError> {
        let mut overtaken = 0;
        loop {
            let mut conn = self.connection.lend().await?;
            match tokio::time::timeout(ANSWER, self.transaction::<P>(&mut conn)).await {
                Ok(Ok(Some(outcomes))) => {
                    self.connection.keep(conn);
                    return Ok(outcomes);
                }
                Ok(Ok(None)) => self.connection.keep(conn),
                Ok(Err(ApplyError::Store(StoreError::Overtaken))) if overtaken < OVERTAKEN_MAX => {
                    overtaken += 1;
                }
                Ok(Err(why)) => return Err(why),
                Err(_) => {
                    let late = std::io::Error::from(ErrorKind::TimedOut);
                    return Err(StoreError::Slow(sqlx::Error::Io(late)).into());
                }
            }
        }
    }

    /// One transaction; `None` where decide rejected records.
    async fn transaction<P: Projection>(
        &mut self,
        conn: &mut PgConnection,
    ) -> Result<Option<Outcomes>, ApplyError> {
        let (names, moves) = (self.context.names, self.moves);
        let mut transaction = conn.begin().await?;
        let is_parked = positions::advance(&mut transaction, names, moves).await?;
        let parking = match is_parked {
            true => Parking::probe(&mut transaction, names, self.deciding.records).await?,
            false => Parking::default(),
        };
        let decided =
            self.deciding.decide_and_save::<P>(&mut transaction, self.context, parking).await?;
        let Some(decided) = decided else {
            transaction.rollback().await?;
            return Ok(None);
        };
        let (records, reasons) = (self.deciding.records, &decided.reasons);
        let tripped = self.breakers.judge(records, reasons);
        if !tripped.is_empty() {
            transaction.rollback().await?;
            return Err(ApplyError::Stop(tripped));
        }
        let closed = self.breakers.closed();
        positions::close_breakers(&mut transaction, names, &closed).await?;
        Parking::save(&mut transaction, names, records, reasons).await?;
        let full = self.context.limits.exceeded(&mut transaction, names, records, reasons).await?;
        if !full.is_empty() {
            transaction.rollback().await?;
            return Err(ApplyError::Stop(full));
        }
        self.in_doubt = Some(decided.outcomes);
        transaction.commit().await?;
        Ok(Some(decided.outcomes))
    }
}

#[cfg(test)]
mod tests;
