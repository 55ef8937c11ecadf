//! `parked …`: what the projections could not apply, and the operator's word on it. Applies nothing
//! itself: a redrive is rows, which the projection's own processes take up (see the runtime).

mod command;
mod follow;
mod list;
mod purge;
#[cfg(test)]
mod purge_tests;
mod redrive;
mod settle;
mod show;
#[cfg(test)]
mod tests;

use sqlx::PgConnection;

use crate::database;
use crate::exit::Outcome;
use crate::projection::Projection;

pub(crate) use command::Command;

impl Command {
    pub(crate) async fn run(self) -> anyhow::Result<Outcome> {
        self.run_as(&mut database::connect().await?).await
    }

    pub(crate) async fn run_as(self, admin: &mut PgConnection) -> anyhow::Result<Outcome> {
        match self {
            Self::List(args) => list::run(admin, args).await,
            Self::Show(args) => show::run(admin, args).await,
            Self::Redrive(args) => redrive::run(admin, args).await,
            Self::Redrives(args) => redrive::redrives(admin, args).await,
            Self::Discard(args) => settle::discard(admin, args).await,
            Self::Release(args) => settle::release(admin, args).await,
            Self::Purge(args) => purge::run(admin, args).await,
        }
    }
}

/// The records of a subject that stand in the way of one another, or a record that has no subject.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
struct Sequence {
    /// Number of the first record.
    head: i64,
    topic: String,
    partition: i32,
    record_offset: i64,
    subject: Option<String>,
    cause: String,
    state: String,
    attempts: i32,
    parked_at: chrono::DateTime<chrono::Utc>,
    /// Records of it that wait behind the first.
    behind: i64,
}

/// The sequences in these states that fit, in the order in which they parked.
async fn sequences(
    admin: &mut PgConnection,
    states: &[&str],
    fits: &command::Which,
    limit: i64,
) -> anyhow::Result<Vec<Sequence>> {
    let query = sqlx::query_as(
        "WITH ordered AS (
             SELECT *, first_value(id) OVER of_subject AS head,
                 count(*) OVER (PARTITION BY topic, coalesce(subject, '#' || id)) - 1 AS behind
             FROM parked WHERE state = ANY($1)
                 AND ($2::text IS NULL OR subject = $2)
             WINDOW of_subject AS (PARTITION BY topic, coalesce(subject, '#' || id) ORDER BY id))
         SELECT head, topic, partition, record_offset, subject, cause, state, attempts, parked_at,
             behind
         FROM ordered WHERE id = head AND ($3::text IS NULL OR cause = $3)
             AND ($4::bigint IS NULL OR id = $4)
         ORDER BY id LIMIT $5",
    );
    let query = query.bind(states).bind(&fits.subject).bind(&fits.cause).bind(fits.id);
    Ok(database::answered(query.bind(limit).fetch_all(admin)).await?)
}

impl Sequence {
    fn line(&self, projection: Projection) -> String {
        let Self { head, topic, partition, record_offset, cause, state, attempts, .. } = self;
        let subject = self.subject.as_deref().unwrap_or("-");
        let since = self.parked_at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
        let behind = match self.behind {
            0 => String::new(),
            behind => format!("  {behind} behind it"),
        };
        format!(
            "{}  {head}  {topic}:{partition}@{record_offset}  {subject}  {cause}  {state}  \
             {attempts} attempts  since {since}{behind}",
            projection.name()
        )
    }
}
