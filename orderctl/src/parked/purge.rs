//! `parked purge`: takes the rows of discarded records out of the table, batch by batch. What became of
//! them stays in the audit.

use std::time::Duration;

use chassis::settings;
use serde_json::{Value, json};
use sqlx::PgConnection;
use sqlx::postgres::PgArguments;
use sqlx::query::QueryScalar;
use tokio::time::{Instant, sleep_until};

use super::command::Purge;
use crate::exit::{Interrupted, Outcome};
use crate::{database, output};

/// Rows of one transaction at most: it locks them, and writes as many into the audit.
const BATCH_MAX: u32 = 1_000;

/// Which rows: $1 to $6 are bound by [`Rows::bound`].
macro_rules! fits {
    () => {
        "state = $1 AND ($2::timestamptz IS NULL OR parked_at < $2)
         AND ($3::text[] IS NULL OR topic = ANY($3)) AND ($4::text IS NULL OR subject = $4)
         AND ($5::text IS NULL OR cause = $5) AND ($6::bigint IS NULL OR id = $6)"
    };
}

const COUNT: &str = concat!("SELECT count(*) FROM parked WHERE ", fits!());

/// A row that somebody holds is left for another time.
const PURGE: &str = concat!(
    "WITH gone AS (
         DELETE FROM parked WHERE id IN (SELECT id FROM parked WHERE ",
    fits!(),
    "        ORDER BY parked_at LIMIT $7 FOR UPDATE SKIP LOCKED)
         RETURNING *),
     told AS (
         INSERT INTO audit (actor, action, topic, partition, record_offset, parked_id, subject,
             detail)
         SELECT $8, 'purged', topic, partition, record_offset, id, subject,
             $9::jsonb || jsonb_build_object('topic_id', topic_id, 'cause', cause,
                 'event_id', event_id, 'parked_at', parked_at)
         FROM gone ORDER BY id)
     SELECT count(*) FROM gone"
);

pub(super) async fn run(admin: &mut PgConnection, args: Purge) -> anyhow::Result<Outcome> {
    database::enter(admin, args.projection).await?;
    let rows = Rows::of(&args);
    if args.dry_run {
        let count: i64 =
            database::answered(rows.bound(sqlx::query_scalar(COUNT)).fetch_one(admin)).await?;
        output::line(format_args!("{count} records would be purged"))?;
        return Ok(Outcome::Fine);
    }
    let (rate, reason) = (args.rate, json!({ "reason": args.reason }));
    let mut purge = Purging { rows, rate, actor: args.actor.clone().name(), reason, done: 0 };
    let interrupted = tokio::signal::ctrl_c();
    tokio::pin!(interrupted);
    while let Some(next) = purge.batch(admin).await? {
        tokio::select! {
            () = sleep_until(next) => {}
            _ = &mut interrupted => {
                let done = format!("{} records are purged, the others are as they were", purge.done);
                return Err(Interrupted(done).into());
            }
        }
    }
    output::line(format_args!("{} records purged", purge.done))?;
    Ok(Outcome::Fine)
}

/// Which rows are meant.
struct Rows<'a> {
    args: &'a Purge,
    topics: Option<[String; 2]>,
}

impl<'a> Rows<'a> {
    fn of(args: &'a Purge) -> Self {
        let prefix = settings::optional("KAFKA_PREFIX").unwrap_or_default();
        let topics = args.topic.as_ref().map(|topic| [topic.clone(), format!("{prefix}{topic}")]);
        Self { args, topics }
    }

    fn bound(&self, query: Query) -> Query {
        let which = &self.args.which;
        let query = query.bind(self.args.state.word()).bind(self.args.parked_before);
        let query = query.bind(self.topics.as_ref().map(|topics| topics.to_vec()));
        query.bind(which.subject.clone()).bind(which.cause.clone()).bind(which.id)
    }
}

type Query = QueryScalar<'static, sqlx::Postgres, i64, PgArguments>;

struct Purging<'a> {
    rows: Rows<'a>,
    rate: u32,
    actor: String,
    reason: Value,
    done: i64,
}

impl Purging<'_> {
    /// The next batch, in a transaction of its own; `None` where it was the last. Else, when the rate
    /// allows another.
    async fn batch(&mut self, admin: &mut PgConnection) -> anyhow::Result<Option<Instant>> {
        let (begun, size) = (Instant::now(), self.rate.min(BATCH_MAX));
        let query = self.rows.bound(sqlx::query_scalar(PURGE)).bind(i64::from(size));
        let query = query.bind(self.actor.clone()).bind(self.reason.clone());
        let purged = database::answered(query.fetch_one(admin)).await?;
        self.done += purged;
        let pause = Duration::from_secs_f64(f64::from(size) / f64::from(self.rate));
        Ok((purged == i64::from(size)).then_some(begun + pause))
    }
}
