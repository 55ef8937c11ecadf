//! The ledger's SQL for the couriers: which mails are whose, and what became of them. Sends nothing.

use std::collections::HashMap;
use std::time::Duration;

use events_schema::{OrderLine, Shortage};
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
    pub(crate) fn settled(&self, fate: Fate, reply: Option<String>) -> Settlement {
        let (event_id, customer_id) = (self.event_id, self.customer_id.clone());
        Settlement { claim: self.claim, event_id, customer_id, fate, reply }
    }
}

/// What became of a claimed mail.
#[derive(Debug, Clone)]
pub(crate) struct Settlement {
    /// As claimed: a row that was claimed again since then is not ours any more.
    pub(crate) claim: Uuid,
    pub(crate) event_id: Uuid,
    pub(crate) customer_id: String,
    pub(crate) fate: Fate,
    /// The server's last words, without addresses.
    pub(crate) reply: Option<String>,
}

/// How a claim ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Sent,
    Bounced,
    Unknown,
    /// The address was erased after the mail was queued.
    Withheld,
    /// Queued again for after this wait.
    Deferred(Duration),
    /// Queued again as if it had never been claimed.
    Returned,
}

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
        }
    }

    /// The word in the ledger.
    fn state(self) -> &'static str {
        match self {
            Self::Deferred(_) | Self::Returned => "queued",
            Self::Sent | Self::Bounced | Self::Unknown | Self::Withheld => self.outcome(),
        }
    }

    fn wait(self) -> Option<Duration> {
        match self {
            Self::Deferred(wait) => Some(wait),
            Self::Sent | Self::Bounced | Self::Unknown | Self::Withheld | Self::Returned => None,
        }
    }
}

/// Whether a mail is due.
pub(crate) async fn any_due(pool: &PgPool) -> Result<bool, StoreError> {
    let due =
        "SELECT EXISTS (SELECT FROM mails WHERE state = 'queued' AND next_attempt_at <= now())";
    Ok(sqlx::query_scalar(due).fetch_one(pool).await?)
}

/// Claims the mails that have been due longest. They are ours once the caller has committed.
pub(crate) async fn claim(
    conn: &mut PgConnection,
    count: i64,
    lease: Duration,
) -> Result<Vec<Claimed>, StoreError> {
    // Materialized, or the planner may run the sub-select more than once and claim too many.
    // A claim that was rolled back must not have the same token as the next: a counter would.
    let claim = "
        WITH due AS MATERIALIZED (
            SELECT event_id, customer_id FROM mails
            WHERE state = 'queued' AND next_attempt_at <= now()
            ORDER BY next_attempt_at, event_id LIMIT $1 FOR UPDATE SKIP LOCKED
        ), claimed AS (
            UPDATE mails SET state = 'sending', claim = gen_random_uuid(), attempts = attempts + 1,
                   sending_until = now() + $2
            FROM due
            WHERE mails.event_id = due.event_id AND mails.customer_id = due.customer_id
            RETURNING mails.*
        )
        SELECT event_id, customer_id, order_id, claim, kind, occurred_at, attempts,
               details AS shortages, locale, name, email, currency, total_minor, lines,
               (SELECT COALESCE(jsonb_object_agg(products.sku, products.name), '{}')
                FROM jsonb_array_elements(orders.lines) AS line
                JOIN products ON products.sku = line ->> 'sku') AS product_names
        FROM claimed LEFT JOIN orders USING (order_id, customer_id)
        ORDER BY next_attempt_at, event_id";
    let rows = sqlx::query_as(claim).bind(count).bind(interval(lease)).fetch_all(conn).await?;
    Ok(rows)
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
            state = fate.state,
            attempts = mails.attempts - CASE WHEN fate.returned THEN 1 ELSE 0 END,
            next_attempt_at = COALESCE(now() + fate.wait, mails.next_attempt_at),
            sending_until = NULL,
            reply = COALESCE(fate.reply, mails.reply),
            finished_at = CASE fate.state WHEN 'queued' THEN NULL ELSE now() END
         FROM UNNEST($1::uuid[], $2::text[], $3::uuid[], $4::text[], $5::bool[], $6::interval[],
                     $7::text[])
              AS fate (event_id, customer_id, claim, state, returned, wait, reply)
         WHERE mails.event_id = fate.event_id AND mails.customer_id = fate.customer_id
           AND mails.claim = fate.claim AND mails.state IN ('sending', 'unknown')",
    )
    .bind(settled.iter().map(|one| one.event_id).collect::<Vec<_>>())
    .bind(settled.iter().map(|one| one.customer_id.as_str()).collect::<Vec<_>>())
    .bind(settled.iter().map(|one| one.claim).collect::<Vec<_>>())
    .bind(fates().map(Fate::state).collect::<Vec<_>>())
    .bind(fates().map(|fate| fate == Fate::Returned).collect::<Vec<_>>())
    .bind(fates().map(|fate| fate.wait().map(interval)).collect::<Vec<_>>())
    .bind(settled.iter().map(|one| one.reply.as_deref()).collect::<Vec<_>>())
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
               reply = 'whoever was sending it is gone'
        FROM gone WHERE mails.event_id = gone.event_id AND mails.customer_id = gone.customer_id";
    Ok(sqlx::query(expire).execute(pool).await?.rows_affected())
}

/// How many mails wait, and how long the oldest of them has.
pub(crate) async fn backlog(pool: &PgPool) -> Result<(i64, f64), StoreError> {
    let backlog = "
        SELECT count(*), COALESCE(EXTRACT(EPOCH FROM now() - min(queued_at)), 0)::float8
        FROM mails WHERE state = 'queued'";
    Ok(sqlx::query_as(backlog).fetch_one(pool).await?)
}

fn interval(duration: Duration) -> PgInterval {
    let microseconds = i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
    PgInterval { months: 0, days: 0, microseconds }
}

#[cfg(test)]
#[path = "claim_tests.rs"]
mod tests;
