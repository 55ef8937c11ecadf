//! What the projections say became of the orders. Every figure is theirs; none is computed here
//! from the log.

use std::time::Duration;

use anyhow::Context;
use serde::{Deserialize, Serialize};
use sqlx::{FromRow, PgConnection};

use super::visible::Run;
use crate::database::answered;

/// The whole of it.
#[derive(Debug, Serialize)]
pub(crate) struct Summary {
    pub(crate) orders: Orders,
    pub(crate) shortages: Vec<Shortage>,
    pub(crate) mails: Vec<Mails>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) mail_server: Option<MailServer>,
    pub(crate) departments: Vec<Department>,
    /// Records that a projection could not apply and that are not discarded, where there are any.
    pub(crate) parked: Vec<Parked>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) run: Option<Run>,
}

/// How many orders came how far. A confirmed order that was cancelled counts in both.
#[derive(Debug, Serialize, FromRow)]
pub(crate) struct Orders {
    pub(crate) placed: i64,
    pub(crate) confirmed: i64,
    pub(crate) rejected: i64,
    pub(crate) cancelled: i64,
}

/// Orders rejected for want of one product.
#[derive(Debug, Serialize, FromRow)]
pub(crate) struct Shortage {
    pub(crate) product: String,
    pub(crate) orders: i64,
    pub(crate) units_missing: i64,
}

/// Mails in one state.
#[derive(Debug, Serialize, FromRow)]
pub(crate) struct Mails {
    pub(crate) state: String,
    pub(crate) count: i64,
}

/// What the sink accepted.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct MailServer {
    pub(crate) messages: u64,
    pub(crate) distinct_message_ids: u64,
}

/// What a department sold.
#[derive(Debug, Serialize, FromRow)]
pub(crate) struct Department {
    pub(crate) department: String,
    pub(crate) currency: String,
    pub(crate) units: i64,
    /// At most 2^63 - 1: the table holds more.
    pub(crate) revenue_minor: i64,
}

/// A projection's parked records, less those that an operator discarded.
#[derive(Debug, Serialize, FromRow)]
pub(crate) struct Parked {
    pub(crate) projection: String,
    pub(crate) records: i64,
    /// Of them: redriven in vain too often.
    pub(crate) quarantined: i64,
}

const ORDERS: &str = "
    SELECT count(placed_at) AS placed, count(confirmed_at) AS confirmed,
           count(rejected_at) AS rejected, count(cancelled_at) AS cancelled
    FROM analytics.orders";
const SHORTAGES: &str = "
    SELECT coalesce(p.name, s.sku) AS product, count(*) AS orders,
           sum(s.requested - s.available)::bigint AS units_missing
    FROM inventory.orders o
    CROSS JOIN LATERAL jsonb_to_recordset(o.shortages)
        AS s (sku text, requested bigint, available bigint)
    LEFT JOIN inventory.products p ON p.sku = s.sku
    WHERE o.status = 'rejected'
    GROUP BY s.sku, p.name ORDER BY orders DESC, product LIMIT 5";
const MAILS: &str = "
    SELECT state, count(*) AS count FROM \"confirmation-email\".mails
    GROUP BY state ORDER BY count DESC, state";
const DEPARTMENTS: &str = "
    SELECT department, currency, sum(units)::bigint AS units,
           least(sum(revenue_minor), 9223372036854775807)::bigint AS revenue_minor
    FROM analytics.hourly_sales_by_department
    GROUP BY department, currency HAVING sum(units) > 0
    ORDER BY revenue_minor DESC, department";
/// What is discarded needs nobody any more.
const PARKED: &str = "
    SELECT projection, count(*) AS records,
           count(*) FILTER (WHERE state = 'quarantined') AS quarantined
    FROM (
        SELECT 1 AS place, 'inventory' AS projection, state FROM inventory.parked
        UNION ALL SELECT 2, 'confirmation-email', state FROM \"confirmation-email\".parked
        UNION ALL SELECT 3, 'analytics', state FROM analytics.parked) AS all_parked
    WHERE state <> 'discarded' GROUP BY place, projection ORDER BY place";

impl Summary {
    pub(crate) async fn read(database: &mut PgConnection) -> anyhow::Result<Self> {
        answered(Self::rows(database))
            .await
            .context("could not read the projections: run 'migrate' of every consumer")
    }

    async fn rows(database: &mut PgConnection) -> sqlx::Result<Self> {
        Ok(Self {
            orders: sqlx::query_as(ORDERS).fetch_one(&mut *database).await?,
            shortages: sqlx::query_as(SHORTAGES).fetch_all(&mut *database).await?,
            mails: sqlx::query_as(MAILS).fetch_all(&mut *database).await?,
            mail_server: None,
            departments: sqlx::query_as(DEPARTMENTS).fetch_all(&mut *database).await?,
            parked: sqlx::query_as(PARKED).fetch_all(&mut *database).await?,
            run: None,
        })
    }
}

/// Asks the sink at `api` what it accepted.
pub(crate) async fn mail_server(api: &str) -> anyhow::Result<MailServer> {
    let explain = || format!("could not ask the mail sink at {api}");
    let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(10)).build()?;
    let url = format!("{}/api/v1/counts", api.trim_end_matches('/'));
    let answer = client.get(url).send().await.with_context(explain)?;
    answer.error_for_status().with_context(explain)?.json().await.with_context(explain)
}

#[cfg(test)]
mod tests {
    use sqlx::PgPool;

    use super::*;
    use crate::verify::fixture::{prepared, run};

    #[sqlx::test]
    async fn what_is_discarded_does_not_count_and_what_is_quarantined_is_said_apart(pool: PgPool) {
        prepared(&pool).await;
        for (offset, state) in (0..).zip(["parked", "quarantined", "discarded"]) {
            let row = format!(
                "INSERT INTO analytics.parked (topic, partition, record_offset, cause, detail,
                     blocks, headers, recorded_at, state)
                 VALUES ('orders', 0, {offset}, 'undecodable', '', true, '[]', now(), '{state}')"
            );
            run(&pool, &row).await;
        }
        run(&pool, "INSERT INTO inventory.parked OVERRIDING SYSTEM VALUE SELECT * FROM analytics.parked WHERE id = 3").await;
        let summary = Summary::read(&mut pool.acquire().await.unwrap()).await.unwrap();
        let printed = summary.to_string();
        let parked: Vec<_> = printed.lines().filter(|line| line.starts_with("PARKED")).collect();
        assert_eq!(parked, ["PARKED     2 records of analytics, 1 of them quarantined"]);
    }
}
