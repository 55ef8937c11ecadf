//! The ledger's SQL for the couriers: which mails are whose, and what became of them. Sends nothing.

use std::collections::HashMap;
use std::time::Duration;

use events_schema::{OrderLine, Shortage};
use postgres_client::{CONVERSATION, within};
use runtime::StoreError;
use sqlx::postgres::types::PgInterval;
use sqlx::types::Json;
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

/// A mail that is ours to send until its lease ends, with all that it says.
#[derive(Debug, sqlx::FromRow)]
pub(crate) struct Claimed {
    pub(crate) event_id: Uuid,
    pub(crate) customer_id: String,
    pub(crate) order_id: Uuid,
    pub(crate) claim: Uuid,
    pub(crate) kind: String,
    pub(crate) occurred_at: chrono::DateTime<chrono::Utc>,
    /// What it tells is no news any more.
    pub(crate) too_old: bool,
    /// It was refused for a reason that was found to be ours.
    pub(crate) held: bool,
    /// Counting this one.
    pub(crate) attempts: i32,
    pub(crate) shortages: Json<Vec<Shortage>>,
    pub(crate) locale: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) email: Option<String>,
    pub(crate) currency: Option<String>,
    pub(crate) total_minor: Option<i64>,
    pub(crate) lines: Option<Json<Vec<OrderLine>>>,
    pub(crate) product_names: Json<HashMap<String, String>>,
}

impl Claimed {
    /// That this became of it.
    pub(crate) fn settled(&self, fate: Fate) -> Settlement {
        let (claim, event_id) = (self.claim, self.event_id);
        Settlement { claim, event_id, fate, cause: None, reply: None }
    }
}

/// What became of a claimed mail.
#[derive(Debug, Clone)]
pub(crate) struct Settlement {
    /// As claimed: a row that was claimed again since then is not ours any more.
    pub(crate) claim: Uuid,
    pub(crate) event_id: Uuid,
    pub(crate) fate: Fate,
    /// Why, in a word to group by.
    pub(crate) cause: Option<String>,
    /// The server's last words, without addresses.
    pub(crate) reply: Option<String>,
}

impl Settlement {
    pub(crate) fn because(self, cause: impl ToString) -> Self {
        Self { cause: Some(cause.to_string()), ..self }
    }

    pub(crate) fn saying(self, reply: String) -> Self {
        Self { reply: Some(reply), ..self }
    }
}

/// How a claim ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Sent,
    Bounced,
    Unknown,
    /// The address was erased after the mail was queued, or it is no news any more.
    Withheld,
    /// Queued again for after this wait.
    Deferred(Duration),
    /// Queued again as if it had never been claimed.
    Returned,
    /// Queued again, uncounted, until the server takes mails of ours.
    Held,
}

/// When a mail that is held is due where nobody finds out before that the server takes mails again.
const HELD_FOR: Duration = Duration::from_secs(3600);

impl Fate {
    /// The word in the metrics.
    pub(crate) fn outcome(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Bounced => "bounced",
            Self::Unknown => "unknown",
            Self::Withheld => "withheld",
            Self::Deferred(_) => "deferred",
            Self::Returned => "returned",
            Self::Held => "held",
        }
    }

    /// The word in the ledger.
    fn state(self) -> &'static str {
        match self {
            Self::Deferred(_) | Self::Returned | Self::Held => "queued",
            Self::Sent | Self::Bounced | Self::Unknown | Self::Withheld => self.outcome(),
        }
    }

    fn wait(self) -> Option<Duration> {
        match self {
            Self::Deferred(wait) => Some(wait),
            Self::Held => Some(HELD_FOR),
            Self::Sent | Self::Bounced | Self::Unknown | Self::Withheld | Self::Returned => None,
        }
    }
}

/// Whether a mail is due.
pub(crate) async fn any_due(conn: &mut PgConnection) -> Result<bool, StoreError> {
    let due =
        "SELECT EXISTS (SELECT FROM mails WHERE state = 'queued' AND next_attempt_at <= now())";
    Ok(sqlx::query_scalar(due).fetch_one(conn).await?)
}

/// Which mails are claimed, and for how long.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms {
    pub(crate) count: i64,
    pub(crate) lease: Duration,
    /// What came about before that is told to nobody any more.
    pub(crate) max_age: Duration,
    /// Only to see whether the server takes one: also one that is not due, rather than none.
    pub(crate) probe: bool,
}

/// Claims the mails that have been due longest. They are ours once the caller has committed.
pub(crate) async fn claim(
    conn: &mut PgConnection,
    terms: Terms,
) -> Result<Vec<Claimed>, StoreError> {
    // An array, so that the sub-select runs once and claims no more than it may; by their places, so
    // that no plan reads the whole table. One that was written since the statement began is left for
    // the next.
    // A claim that was rolled back must not have the same token as the next: a counter would.
    let claim = "
        WITH claimed AS (
            UPDATE mails SET state = 'sending', claim = gen_random_uuid(), attempts = attempts + 1,
                   sending_until = now() + $2
            WHERE ctid = ANY (ARRAY(
                SELECT ctid FROM mails
                WHERE state = 'queued'
                  AND next_attempt_at <= CASE WHEN $4 THEN 'infinity'::timestamptz ELSE now() END
                ORDER BY next_attempt_at, event_id LIMIT $1 FOR UPDATE SKIP LOCKED))
            RETURNING *
        )
        SELECT event_id, customer_id, order_id, claim, kind, occurred_at, attempts,
               occurred_at < now() - $3 AS too_old, held_at IS NOT NULL AS held,
               details AS shortages, locale, name, email, currency, total_minor, lines,
               (SELECT COALESCE(jsonb_object_agg(products.sku, products.name), '{}')
                FROM jsonb_array_elements(lines) AS line CROSS JOIN LATERAL (
                    SELECT sku, name FROM products WHERE sku = line ->> 'sku' OFFSET 0
                ) AS products) AS product_names
        FROM claimed LEFT JOIN LATERAL (
            SELECT locale, name, email, currency, total_minor, lines FROM orders
            WHERE orders.order_id = claimed.order_id
              AND orders.customer_id = claimed.customer_id OFFSET 0) AS orders ON true
        ORDER BY next_attempt_at, event_id";
    let claim = sqlx::query_as(claim).bind(if terms.probe { 1 } else { terms.count });
    let claim = claim.bind(interval(terms.lease)).bind(interval(terms.max_age)).bind(terms.probe);
    Ok(claim.fetch_all(conn).await?)
}

/// Writes what became of claimed mails. One that a sweep has meanwhile called unknown is corrected:
/// we know better. One that somebody has claimed anew is left alone.
pub(crate) async fn settle(
    conn: &mut PgConnection,
    settled: &[Settlement],
) -> Result<(), StoreError> {
    if settled.is_empty() {
        return Ok(());
    }
    let fates = || settled.iter().map(|one| one.fate);
    sqlx::query(
        "UPDATE mails SET
             (state, attempts, next_attempt_at, sending_until, held_at, cause, reply, finished_at) = (
             SELECT fate.state,
                 mails.attempts
                     - CASE WHEN fate.outcome IN ('returned', 'held') THEN 1 ELSE 0 END,
                 COALESCE(now() + fate.wait, mails.next_attempt_at),
                 NULL::timestamptz,
                 CASE fate.outcome WHEN 'held' THEN now() WHEN 'returned' THEN mails.held_at END,
                 CASE fate.outcome WHEN 'returned' THEN mails.cause ELSE fate.cause END,
                 COALESCE(fate.reply, mails.reply),
                 CASE fate.state WHEN 'queued' THEN NULL ELSE now() END
             FROM UNNEST($2::uuid[], $3::text[], $4::text[], $5::interval[], $6::text[], $7::text[])
                  AS fate (claim, state, outcome, wait, reply, cause)
             WHERE fate.claim = mails.claim)
         WHERE event_id = ANY ($1) AND claim = ANY ($2) AND state IN ('sending', 'unknown')",
    )
    .bind(settled.iter().map(|one| one.event_id).collect::<Vec<_>>())
    .bind(settled.iter().map(|one| one.claim).collect::<Vec<_>>())
    .bind(fates().map(Fate::state).collect::<Vec<_>>())
    .bind(fates().map(Fate::outcome).collect::<Vec<_>>())
    .bind(fates().map(|fate| fate.wait().map(interval)).collect::<Vec<_>>())
    .bind(settled.iter().map(|one| one.reply.as_deref()).collect::<Vec<_>>())
    .bind(settled.iter().map(|one| one.cause.as_deref()).collect::<Vec<_>>())
    .execute(conn)
    .await?;
    Ok(())
}

/// Calls unknown what belongs to couriers that are gone; how many there were.
pub(crate) async fn expire(pool: &PgPool) -> Result<u64, StoreError> {
    let expire = "
        WITH gone AS MATERIALIZED (
            SELECT event_id, customer_id FROM mails
            WHERE state = 'sending' AND sending_until < now() FOR UPDATE SKIP LOCKED
        )
        UPDATE mails SET state = 'unknown', sending_until = NULL, finished_at = now(),
               cause = 'courier-gone', reply = 'whoever was sending it is gone'
        FROM gone WHERE mails.event_id = gone.event_id AND mails.customer_id = gone.customer_id";
    Ok(within(CONVERSATION, sqlx::query(expire).execute(pool)).await?.rows_affected())
}

/// Queues again what was given up under these claims; which of them they were. The others may not
/// be written yet.
pub(crate) async fn reprieve(pool: &PgPool, claims: &[Uuid]) -> Result<Vec<Uuid>, StoreError> {
    let reprieve = "
        UPDATE mails SET state = 'queued', attempts = attempts - 1, held_at = now(),
               finished_at = NULL, next_attempt_at = now() + $2
        WHERE claim = ANY($1) AND state = 'bounced' AND finished_at > now() - interval '1 day'
        RETURNING claim";
    let reprieve = sqlx::query_scalar(reprieve).bind(claims).bind(interval(HELD_FOR));
    Ok(within(CONVERSATION, reprieve.fetch_all(pool)).await?)
}

/// Makes due what was held: the server takes mails again.
pub(crate) async fn release(pool: &PgPool) -> Result<u64, StoreError> {
    let release = "UPDATE mails SET next_attempt_at = now()
                   WHERE held_at IS NOT NULL AND state = 'queued' AND next_attempt_at > now()";
    Ok(within(CONVERSATION, sqlx::query(release).execute(pool)).await?.rows_affected())
}

/// So many mails are counted: a look at the ledger must not take longer the more of them wait.
const COUNTED_MAX: i64 = 100_000;
const BACKLOG: &str = "
    SELECT (SELECT count(*) FROM (SELECT FROM mails WHERE state = 'queued' LIMIT $1) AS counted),
           COALESCE(EXTRACT(EPOCH FROM now()
               - (SELECT min(queued_at) FROM mails WHERE state = 'queued')), 0)::float8";

/// How many mails wait, up to [`COUNTED_MAX`], and how long the oldest of them has.
pub(crate) async fn backlog(pool: &PgPool) -> Result<(i64, f64), StoreError> {
    let backlog = sqlx::query_as(BACKLOG).bind(COUNTED_MAX);
    Ok(within(CONVERSATION, backlog.fetch_one(pool)).await?)
}

fn interval(duration: Duration) -> PgInterval {
    let microseconds = i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
    PgInterval { months: 0, days: 0, microseconds }
}

#[cfg(test)]
#[path = "claim_tests.rs"]
mod tests;
