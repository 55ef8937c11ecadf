//! How far the redrives are. Changes nothing.

use std::time::{Duration, Instant};

use sqlx::PgConnection;

use crate::database::answered;
use crate::exit::{Interrupted, Outcome, Usage};
use crate::output;
use crate::projection::Projection;

/// How often it is looked at.
const LOOK: Duration = Duration::from_millis(300);
/// A redrive whose turn it is, and that nobody takes a step of for so long, has nobody.
const NOBODY: Duration = Duration::from_secs(60);

/// How far a redrive is.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
struct Stand {
    id: i64,
    requested_by: String,
    dry_run: bool,
    ended: bool,
    /// Not before the rate allows it.
    is_pausing: bool,
    applied: i64,
    waiting: i64,
    failed: i64,
    cancelled: i64,
}

const STANDS: &str = "SELECT r.id, requested_by, dry_run, ended_at IS NOT NULL AS ended,
        next_step_at > clock_timestamp() AS is_pausing,
        coalesce(sum(applied), 0)::bigint AS applied,
        count(*) FILTER (WHERE state = 'waiting') AS waiting,
        count(*) FILTER (WHERE state = 'failed') AS failed,
        count(*) FILTER (WHERE state = 'cancelled') AS cancelled
    FROM redrives AS r LEFT JOIN redrive_sequences ON redrive_id = r.id
    WHERE $1::bigint IS NULL OR r.id = $1
    GROUP BY r.id ORDER BY r.id";

pub(super) async fn all(admin: &mut PgConnection) -> anyhow::Result<Outcome> {
    let stands: Vec<Stand> =
        answered(sqlx::query_as(STANDS).bind(None::<i64>).fetch_all(admin)).await?;
    for stand in &stands {
        output::line(stand)?;
    }
    if stands.is_empty() {
        output::line("no redrive was ever asked for")?;
    }
    Ok(Outcome::Fine)
}

/// Prints what changes until the redrive has ended, then what failed.
pub(super) async fn until_the_end(
    admin: &mut PgConnection,
    projection: Projection,
    id: i64,
) -> anyhow::Result<Outcome> {
    tokio::select! {
        outcome = watch(admin, projection, id) => outcome,
        _ = tokio::signal::ctrl_c() => {
            let follow = format!("--projection {} --follow {id}", projection.name());
            Err(Interrupted(format!("redrive {id} goes on: orderctl parked redrives {follow}")).into())
        }
    }
}

async fn watch(
    admin: &mut PgConnection,
    projection: Projection,
    id: i64,
) -> anyhow::Result<Outcome> {
    let mut before: Option<Stand> = None;
    let mut moved = Instant::now();
    loop {
        let stand: Option<Stand> =
            answered(sqlx::query_as(STANDS).bind(id).fetch_optional(&mut *admin)).await?;
        let stand = stand.ok_or_else(|| Usage(format!("there is no redrive {id}")))?;
        if before.as_ref() != Some(&stand) {
            moved = Instant::now();
            output::line(&stand)?;
        }
        if stand.ended {
            return failures(admin, &stand).await;
        }
        let name = projection.name();
        anyhow::ensure!(
            stand.is_pausing || moved.elapsed() < NOBODY,
            "no process of {name} has taken a step of redrive {id} for {} seconds; it stays asked \
             for: does {name} run?",
            NOBODY.as_secs()
        );
        before = Some(stand);
        tokio::time::sleep(LOOK).await;
    }
}

async fn failures(admin: &mut PgConnection, stand: &Stand) -> anyhow::Result<Outcome> {
    let failures = "SELECT head, topic, coalesce(subject, '-'), failure FROM redrive_sequences
                    WHERE redrive_id = $1 AND failure IS NOT NULL ORDER BY head";
    let failures: Vec<(i64, String, String, String)> =
        answered(sqlx::query_as(failures).bind(stand.id).fetch_all(admin)).await?;
    for (head, topic, subject, failure) in &failures {
        output::line(format_args!("failed  {head}  {topic}  {subject}  {failure}"))?;
    }
    let is_fine = failures.is_empty() && stand.cancelled == 0;
    Ok(if is_fine { Outcome::Fine } else { Outcome::Differs })
}

impl std::fmt::Display for Stand {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { id, requested_by, dry_run, ended, applied, waiting, failed, cancelled, .. } =
            self;
        let would = if *dry_run { "would be applied" } else { "applied" };
        let stage = if *ended { "ended" } else { "under way" };
        write!(f, "redrive {id} of {requested_by}: {applied} records {would}")?;
        for (count, what) in [(waiting, "waiting"), (failed, "failed"), (cancelled, "cancelled")] {
            if *count > 0 {
                write!(f, ", {count} sequences {what}")?;
            }
        }
        write!(f, ", {stage}")
    }
}
