//! `parked redrive|redrives`: asks a projection to apply parked records again.

use anyhow::Context;
use sqlx::{Connection, PgConnection};

use super::command::{Redrive, Redrives, State};
use super::{Sequence, follow, sequences};
use crate::exit::{Outcome, Usage};
use crate::{database, output};

pub(super) async fn run(admin: &mut PgConnection, args: Redrive) -> anyhow::Result<Outcome> {
    database::enter(admin, args.projection).await?;
    let states = [State::Parked.word(), State::Quarantined.word()];
    let found = sequences(admin, &states, &args.which, i64::MAX).await?;
    if found.is_empty() {
        return nothing(admin, &args).await;
    }
    let under_way = under_way(admin).await?;
    let mut left_alone = Outcome::Fine;
    let mut asked = Vec::with_capacity(found.len());
    for sequence in found {
        let why = match &sequence {
            _ if sequence.state == State::Quarantined.word() => "quarantined: release it first",
            _ if under_way.contains(&sequence.head) => "in another redrive that is under way",
            _ => {
                asked.push(sequence);
                continue;
            }
        };
        output::line(format_args!("left alone, {why}: {}", sequence.line(args.projection)))?;
        left_alone = Outcome::Differs;
    }
    if asked.is_empty() {
        return Ok(left_alone);
    }
    let records = asked.iter().map(|sequence| sequence.behind + 1).sum::<i64>();
    let (wait, projection) = (!args.no_wait, args.projection);
    let id = request(admin, args, &asked).await?;
    output::line(format_args!("redrive {id}: {} sequences, {records} records", asked.len()))?;
    if !wait {
        return Ok(left_alone);
    }
    Ok(left_alone.and(follow::until_the_end(admin, projection, id).await?))
}

/// Says why there is nothing: a record that is not the first of its subject waits for that one.
async fn nothing(admin: &mut PgConnection, args: &Redrive) -> anyhow::Result<Outcome> {
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
    output::line("nothing is parked that fits")?;
    Ok(Outcome::Fine)
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
    admin: &mut PgConnection,
    args: Redrive,
    asked: &[Sequence],
) -> anyhow::Result<i64> {
    let actor = args.actor.name();
    let mut transaction = admin.begin().await?;
    let redrive =
        "INSERT INTO redrives (requested_by, dry_run, rate) VALUES ($1, $2, $3) RETURNING id";
    let redrive = sqlx::query_scalar(redrive).bind(&actor).bind(args.dry_run).bind(args.rate);
    let id: i64 = redrive.fetch_one(&mut *transaction).await?;
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
    .execute(&mut *transaction)
    .await?;
    transaction.commit().await.context("nobody knows whether the redrive was requested")?;
    Ok(id)
}

pub(super) async fn redrives(admin: &mut PgConnection, args: Redrives) -> anyhow::Result<Outcome> {
    database::enter(admin, args.projection).await?;
    match (args.follow, args.cancel) {
        (Some(id), _) => follow::until_the_end(admin, args.projection, id).await,
        (None, Some(id)) => cancel(admin, id, &args.actor.name()).await,
        (None, None) => follow::all(admin).await,
    }
}

/// Takes the lock that a step takes, so that it ends between two steps.
async fn cancel(admin: &mut PgConnection, id: i64, actor: &str) -> anyhow::Result<Outcome> {
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
    transaction.commit().await.context("nobody knows whether the redrive was cancelled")?;
    output::line(format_args!("redrive {id} is cancelled; what was applied stays applied"))?;
    Ok(Outcome::Fine)
}
