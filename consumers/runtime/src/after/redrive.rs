//! Applies parked records again, in order, into this projection only: what `orderctl parked redrive`
//! asked for. One transaction is one step, so a redrive that is killed goes on where it was; whichever
//! process of the projection comes first takes the next one.

mod rows;
#[cfg(test)]
mod tests;
mod turn;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use events_schema::wire::SchemaId;
use postgres_client::within;
use schema_registry::RegistryError;
use sqlx::{Connection, PgConnection};
use tokio::time::{Instant, sleep};

use crate::backoff::{Backoff, Step};
use crate::batch::apply_batch::{ANSWER, OVERTAKEN_MAX};
use crate::batch::apply_context::ApplyContext;
use crate::batch::decide_batch::{Decided, Deciding};
use crate::batch::parking::Parking;
use crate::batch::pending::{Pending, REFUSED_BY_DATABASE};
use crate::error::StoreError;
use crate::projection::Projection;
use crate::record::{Content, Record};
use crate::shared::Shared;
use turn::Entry;

const IDLE: Duration = Duration::from_secs(1);
/// How often what is parked is counted for the metrics.
const COUNT: Duration = Duration::from_secs(10);
/// A step that takes this long is stuck.
const STUCK: Duration = Duration::from_secs(60);

/// Redrives until shutdown. An outage makes it wait.
pub(crate) async fn keep_redriving<P: Projection>(shared: Arc<Shared>) -> anyhow::Result<()> {
    let shutdown = shared.process.shutdown.clone();
    let heartbeat = shared.process.health.heartbeat("redrive", STUCK);
    let (mut backoff, mut count_at) = (Backoff::default(), Instant::now());
    while !shutdown.is_cancelled() {
        heartbeat.beat();
        if count_at <= Instant::now() {
            count_at = Instant::now() + COUNT;
            count(&shared).await;
        }
        let begun = Instant::now();
        let step = within(ANSWER, step::<P>(&shared)).await;
        // A dry run leaves live batches at least as much time as it takes.
        let rest = match step {
            Ok(Step::Rest) => begun.elapsed(),
            _ => Duration::ZERO,
        };
        let pause = backoff.after(step, IDLE, "redrive waits").max(rest);
        shutdown.run_until_cancelled(sleep(pause)).await;
    }
    Ok(())
}

async fn count(shared: &Shared) {
    match shared.settings.parked.states(&shared.pool).await {
        Ok(states) => states.iter().for_each(|(state, rows)| shared.metrics.parked(state, *rows)),
        // Whoever applies batches says what is wrong with the database.
        Err(error) => tracing::debug!(%error, "parked records not counted"),
    }
}

/// Takes the next step of the oldest redrive whose turn it is and that nobody is at. Whoever must be
/// asked is asked before anything is locked.
pub(crate) async fn step<P: Projection>(shared: &Shared) -> anyhow::Result<Step> {
    let (is_dry, foreign) = learn(shared).await?;
    let mut conn = shared.pool.acquire().await?;
    let mut transaction = conn.begin().await?;
    if is_dry {
        // Nothing of it is locked: it sees all tables as they are at one moment.
        let snapshot = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ";
        sqlx::query(snapshot).execute(&mut *transaction).await?;
    }
    let Some(redrive) = turn::take(&mut transaction).await? else {
        return Ok(Step::NothingToDo);
    };
    if redrive.dry_run != is_dry {
        // Another came first meanwhile.
        return Ok(Step::Taken);
    }
    let rows_max = shared.settings.batch_records_max;
    let (mut entries, mut records) =
        turn::next(&mut transaction, &shared.names, &redrive, rows_max).await?;
    let decoded = decode(shared, &foreign, &mut records);
    if decoded == 0 && !records.is_empty() {
        // What came meanwhile has a schema that nobody asked for: it is asked for next time.
        return Ok(Step::Taken);
    }
    entries.truncate(decoded);
    records.truncate(decoded);
    let mut pending = Pending::of(records);
    let decided = match pending.records.is_empty() {
        true => Decided::default(),
        false if redrive.dry_run => look::<P>(&mut transaction, &entries, &mut pending).await?,
        false => decide::<P>(&mut transaction, &ApplyContext::from(shared), &mut pending).await?,
    };
    let noted = rows::note(&mut transaction, &redrive, &entries, &decided.reasons).await?;
    transaction.commit().await.context("nobody knows whether the step was committed")?;
    tracing::info!(
        redrive = redrive.id,
        dry_run = redrive.dry_run,
        applied = noted.applied,
        failed = noted.failed,
        "redrive step"
    );
    if redrive.dry_run {
        return Ok(Step::Rest);
    }
    shared.metrics.redriven(noted.applied, noted.failed);
    shared.wake(decided.outcomes.follow_ups);
    Ok(Step::Taken)
}

/// Whether the next step is one of a dry run, and what the registry says of the schemas that it
/// needs and that are not schemas of ours. Holds no lock, no transaction and no connection while it
/// is asked.
async fn learn(shared: &Shared) -> anyhow::Result<(bool, HashMap<SchemaId, RegistryError>)> {
    let mut foreign = HashMap::new();
    let rows_max = shared.settings.batch_records_max;
    let (is_dry, records) = turn::peek(&shared.pool, &shared.names, rows_max).await?;
    for mut record in records {
        shared.schemas.decode(&mut record);
        let Some(id) = record.needs().filter(|id| !foreign.contains_key(id)) else { continue };
        match shared.schemas.learn(id).await {
            Ok(()) => {}
            Err(error @ RegistryError::Unavailable { .. }) => return Err(error.into()),
            Err(error) => {
                foreign.insert(id, error);
            }
        }
    }
    Ok((is_dry, foreign))
}

/// Applies as many of the records as go into one share, inside of the caller's transaction, which
/// what is refused leaves as it was.
async fn decide<P: Projection>(
    conn: &mut PgConnection,
    context: &ApplyContext<'_>,
    pending: &mut Pending,
) -> Result<Decided, StoreError> {
    let mut overtaken = 0;
    loop {
        match apply::<P>(conn, context, pending.next()).await {
            Err(StoreError::Refused(refused)) => pending.refused(&refused)?,
            Err(StoreError::Slow(_)) if pending.too_much() => {}
            Err(StoreError::Overtaken) if overtaken < OVERTAKEN_MAX => overtaken += 1,
            other => return other,
        }
    }
}

/// What would become of the records. Saves nothing, so that what the database refused before it is
/// taken to refuse again.
async fn look<P: Projection>(
    conn: &mut PgConnection,
    entries: &[Entry],
    pending: &mut Pending,
) -> Result<Decided, StoreError> {
    for (entry, record) in entries.iter().zip(&mut pending.records) {
        if let (Some(detail), Content::Event(_)) = (entry.refused.clone(), &record.content) {
            record.content = Content::Poison { cause: REFUSED_BY_DATABASE, detail };
        }
    }
    loop {
        match look_at::<P>(conn, pending.next()).await {
            Err(StoreError::Slow(_)) if pending.too_much() => {}
            other => return other,
        }
    }
}

async fn look_at<P: Projection>(
    conn: &mut PgConnection,
    records: &[Record],
) -> Result<Decided, StoreError> {
    let mut deciding = Deciding::new(records);
    let mut savepoint = conn.begin().await?;
    // Whoever would lock a row or write one is told so: until the savepoint is rolled back.
    sqlx::query("SET LOCAL transaction_read_only = on").execute(&mut *savepoint).await?;
    loop {
        if let Some(decided) = deciding.look::<P>(&mut savepoint).await? {
            savepoint.rollback().await?;
            return Ok(decided);
        }
    }
}

async fn apply<P: Projection>(
    conn: &mut PgConnection,
    context: &ApplyContext<'_>,
    records: &[Record],
) -> Result<Decided, StoreError> {
    let mut deciding = Deciding::new(records);
    loop {
        let mut savepoint = conn.begin().await?;
        let parking = Parking::default();
        match deciding.decide_and_save::<P>(&mut savepoint, context, parking).await? {
            Some(decided) => {
                savepoint.commit().await?;
                return Ok(decided);
            }
            None => savepoint.rollback().await?,
        }
    }
}

/// As this build reads them, which may know what the one that parked them did not; says how many of
/// them, up to the first whose schema nobody knows yet.
fn decode(
    shared: &Shared,
    foreign: &HashMap<SchemaId, RegistryError>,
    records: &mut [Record],
) -> usize {
    let is_decoded = |record: &mut Record| {
        shared.schemas.decode(record);
        match record.needs() {
            None => true,
            Some(id) => foreign.get(&id).inspect(|error| record.is_foreign(error)).is_some(),
        }
    };
    records.iter_mut().map(is_decoded).take_while(|is_decoded| *is_decoded).count()
}
