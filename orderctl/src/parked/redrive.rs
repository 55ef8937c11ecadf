//! `parked redrive|redrives`: asks a projection to apply parked records again.

use std::collections::HashSet;

use anyhow::Context;
use sqlx::{Connection, PgConnection};

use super::command::{Redrive, Redrives, State};
use super::{Sequence, follow, sequences};
use crate::exit::{Outcome, Usage};
use crate::{database, output};

pub(super) async fn run(admin: &mut PgConnection, args: Redrive) -> anyhow::Result<Outcome> {
    database::enter(admin, args.projection).await?;
    let (wait, projection) = (!args.no_wait, args.projection);
    let Some(Asked { id, asked, left_alone }) = database::answered(ask(admin, args)).await? else {
        output::line("nothing is parked that fits")?;
        return Ok(Outcome::Fine);
    };
    for (why, sequence) in &left_alone {
        output::line(format_args!("left alone, {why}: {}", sequence.line(projection)))?;
    }
    let outcome = if left_alone.is_empty() { Outcome::Fine } else { Outcome::Differs };
    let Some(id) = id else { return Ok(outcome) };
    let records = asked.iter().map(|sequence| sequence.behind + 1).sum::<i64>();
    output::line(format_args!("redrive {id}: {} sequences, {records} records", asked.len()))?;
    if !wait {
        return Ok(outcome);
    }
    Ok(outcome.and(follow::until_the_end(admin, projection, id).await?))
}

/// What came of asking.
struct Asked {
    /// `None` where everything was left alone.
    id: Option<i64>,
    asked: Vec<Sequence>,
    left_alone: Vec<(&'static str, Sequence)>,
}

/// In one transaction; `None` where nothing fits.
async fn ask(admin: &mut PgConnection, args: Redrive) -> anyhow::Result<Option<Asked>> {
    let mut transaction = admin.begin().await?;
    // So that two operators do not ask for the same; steps go on meanwhile.
    let lock = "LOCK TABLE redrives IN SHARE UPDATE EXCLUSIVE MODE";
    sqlx::query(lock).execute(&mut *transaction).await?;
    let states = [State::Parked.word(), State::Quarantined.word()];
    let found = sequences(&mut transaction, &states, &args.which, i64::MAX).await?;
    if found.is_empty() {
        return nothing(&mut transaction, &args).await.map(|()| None);
    }
    let under_way = under_way(&mut transaction).await?.into_iter().collect();
    let (asked, left_alone) = sift(found, &under_way);
    if asked.is_empty() {
        return Ok(Some(Asked { id: None, asked, left_alone }));
    }
    let id = request(&mut transaction, args, &asked).await?;
    transaction.commit().await.context("nobody knows whether the redrive was requested")?;
    Ok(Some(Asked { id: Some(id), asked, left_alone }))
}

/// What can be asked for, and what cannot be, and why.
fn sift(
    found: Vec<Sequence>,
    under_way: &HashSet<i64>,
) -> (Vec<Sequence>, Vec<(&'static str, Sequence)>) {
    let (mut asked, mut left_alone) = (Vec::with_capacity(found.len()), Vec::new());
    for sequence in found {
        if sequence.state == State::Quarantined.word() {
            left_alone.push(("quarantined: release it first", sequence));
        } else if under_way.contains(&sequence.head) {
            left_alone.push(("in another redrive that is under way", sequence));
        } else {
            asked.push(sequence);
        }
    }
    (asked, left_alone)
}

/// Says why there is nothing: a record that is not the first of its subject waits for that one.
async fn nothing(admin: &mut PgConnection, args: &Redrive) -> anyhow::Result<()> {
    if let Some(id) = args.which.id {
        let head: Option<i64> = sqlx::query_scalar(
            "SELECT min(head.id) FROM parked AS head JOIN parked AS row USING (topic, subject)
             WHERE row.id = $1 AND head.state IN ('parked', 'quarantined')",
        )
        .bind(id)
        .fetch_one(admin)
        .await?;
        let why = match head {
            Some(head) => format!("record {id} waits behind {head}: redrive that one"),
            None => format!("{} has no parked record {id}", args.projection.name()),
        };
        return Err(Usage(why).into());
    }
    Ok(())
}

async fn under_way(admin: &mut PgConnection) -> anyhow::Result<Vec<i64>> {
    let heads = "SELECT min(parked.id) FROM redrive_sequences AS s
                 JOIN redrives AS r ON r.id = s.redrive_id
                 JOIN parked ON parked.topic = s.topic
                     AND (parked.subject = s.subject OR parked.id = s.head)
                 WHERE s.state = 'waiting' AND r.ended_at IS NULL AND NOT r.dry_run
                     AND parked.state = 'parked'
                 GROUP BY s.redrive_id, s.head";
    Ok(sqlx::query_scalar(heads).fetch_all(admin).await?)
}

/// The rows that the projection's processes look for.
async fn request(
    conn: &mut PgConnection,
    args: Redrive,
    asked: &[Sequence],
) -> anyhow::Result<i64> {
    let actor = args.actor.name();
    let redrive =
        "INSERT INTO redrives (requested_by, dry_run, rate) VALUES ($1, $2, $3) RETURNING id";
    let redrive = sqlx::query_scalar(redrive).bind(&actor).bind(args.dry_run).bind(args.rate);
    let id: i64 = redrive.fetch_one(&mut *conn).await?;
    let heads: Vec<i64> = asked.iter().map(|sequence| sequence.head).collect();
    sqlx::query(
        "WITH asked AS (
             INSERT INTO redrive_sequences (redrive_id, head, topic, subject)
             SELECT $1, id, topic, subject FROM parked WHERE id = ANY($2) RETURNING head)
         INSERT INTO audit (actor, action, redrive_id, topic, partition, record_offset, parked_id,
             subject, detail)
         SELECT $3, 'redrive-requested', $1, topic, partition, record_offset, id, subject,
             jsonb_strip_nulls(jsonb_build_object('dry_run', $4, 'rate', $5))
         FROM parked JOIN asked ON asked.head = parked.id ORDER BY id",
    )
    .bind(id)
    .bind(&heads)
    .bind(&actor)
    .bind(args.dry_run)
    .bind(args.rate)
    .execute(conn)
    .await?;
    Ok(id)
}

pub(super) async fn redrives(admin: &mut PgConnection, args: Redrives) -> anyhow::Result<Outcome> {
    database::enter(admin, args.projection).await?;
    match (args.follow, args.cancel) {
        (Some(id), _) => follow::until_the_end(admin, args.projection, id).await,
        (None, Some(id)) => {
            database::answered(cancel(admin, id, &args.actor.name())).await?;
            output::line(format_args!(
                "redrive {id} is cancelled; what was applied stays applied"
            ))?;
            Ok(Outcome::Fine)
        }
        (None, None) => follow::all(admin).await,
    }
}

/// Takes the lock that a step takes, so that it ends between two steps.
async fn cancel(admin: &mut PgConnection, id: i64, actor: &str) -> anyhow::Result<()> {
    let mut transaction = admin.begin().await?;
    let cancel =
        "UPDATE redrives SET ended_at = clock_timestamp() WHERE id = $1 AND ended_at IS NULL";
    let ended = sqlx::query(cancel).bind(id).execute(&mut *transaction).await?.rows_affected();
    if ended == 0 {
        return Err(Usage(format!("there is no redrive {id} under way")).into());
    }
    sqlx::query(
        "WITH cancelled AS (
             UPDATE redrive_sequences SET state = 'cancelled'
             WHERE redrive_id = $1 AND state = 'waiting' RETURNING topic, subject, head)
         INSERT INTO audit (actor, action, redrive_id, topic, parked_id, subject)
         SELECT $2, 'redrive-cancelled', $1, topic, head, subject FROM cancelled ORDER BY head",
    )
    .bind(id)
    .bind(actor)
    .execute(&mut *transaction)
    .await?;
    transaction.commit().await.context("nobody knows whether the redrive was cancelled")
}
