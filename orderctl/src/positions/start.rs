//! `positions start`: the operator's first word to a projection that has no position at all while the
//! log has a past. Moves no position that there is.

use anyhow::Context;
use kafka_client::LogState;
use serde_json::json;
use sqlx::{Connection, PgConnection};

use super::command::{Start, To};
use super::{logs_of, not_meant};
use crate::audit::PositionEntry;
use crate::exit::{Outcome, Usage};
use crate::log::LogReader;
use crate::projection::Projection;
use crate::{database, output};

/// Name on the brokers, partition and what the log is there.
type Logs = Vec<(String, i32, LogState)>;

pub(super) async fn run(asked: Start) -> anyhow::Result<Outcome> {
    let Start { projection, at, yes, actor } = asked;
    if matches!(at, To::Offset(_)) {
        return Err(Usage("--at must be beginning or end".to_owned()).into());
    }
    let (mut admin, reader) = (database::connect().await?, LogReader::from_env()?);
    let (actor, mut outcome) = (actor.name(), Outcome::Fine);
    let is_named = !projection.is_empty();
    for projection in Projection::these(&projection) {
        database::enter(&mut admin, projection).await?;
        if database::answered(has_begun(&mut admin)).await? {
            if is_named {
                return Err(begun(projection));
            }
            output::line(format_args!("{}  has begun, and stays where it is", projection.name()))?;
            continue;
        }
        let logs = logs(&reader, projection)?;
        output::line(format_args!("{}  {}", projection.name(), consequence(&logs, at)))?;
        if !yes {
            outcome = not_meant()?;
            continue;
        }
        database::answered(begin(&mut admin, projection, &logs, at, &actor)).await?;
        output::line(format_args!("{} starts within seconds", projection.name()))?;
    }
    Ok(outcome)
}

fn logs(reader: &LogReader, projection: Projection) -> anyhow::Result<Logs> {
    let mut logs = Vec::new();
    for topic in projection.topics() {
        logs.extend(tokio::task::block_in_place(|| logs_of(reader, *topic))?);
    }
    Ok(logs)
}

async fn has_begun(conn: &mut PgConnection) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar("SELECT EXISTS (SELECT FROM positions)").fetch_one(conn).await
}

fn begun(projection: Projection) -> anyhow::Error {
    let name = projection.name();
    Usage(format!("{name} has begun: positions set moves what is there")).into()
}

fn consequence(logs: &[(String, i32, LogState)], at: To) -> String {
    let records: i64 = logs.iter().map(|(_, _, log)| log.end - log.start).sum();
    match at {
        To::Beginning => {
            format!("{records} records of the past are applied, with all that follows")
        }
        _ => format!("{records} records of the past are skipped, for ever"),
    }
}

pub(super) async fn begin(
    admin: &mut PgConnection,
    projection: Projection,
    logs: &[(String, i32, LogState)],
    at: To,
    actor: &str,
) -> anyhow::Result<()> {
    database::enter(admin, projection).await?;
    let mut transaction = admin.begin().await?;
    // A worker that begins by itself, on an empty log, waits or is waited for.
    sqlx::query("LOCK TABLE positions IN SHARE ROW EXCLUSIVE MODE")
        .execute(&mut *transaction)
        .await?;
    if has_begun(&mut transaction).await? {
        return Err(begun(projection));
    }
    for (topic, partition, log) in logs {
        let next = at.within(log)?;
        sqlx::query(
            "INSERT INTO positions (topic, partition, topic_id, epoch, next_offset)
             VALUES ($1, $2, $3, 0, $4)",
        )
        .bind(topic)
        .bind(partition)
        .bind(&log.topic_id)
        .bind(next)
        .execute(&mut *transaction)
        .await?;
        let detail = json!({ "at": next, "topic_id": log.topic_id });
        let (topic, partition) = (topic.as_str(), *partition);
        let entry = PositionEntry { actor, action: "started", topic, partition, detail };
        entry.write(&mut transaction).await?;
    }
    transaction.commit().await.context("nobody knows whether it was started")
}
