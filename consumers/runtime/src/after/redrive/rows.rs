//! What became of a step: the rows of redrives and parked records. Chooses none of them. Statements
//! whose best plan hangs on the size of a table are not kept.

use std::collections::BTreeMap;

use sqlx::PgConnection;

use super::turn::{Entry, Redrive};

use crate::batch::parking::Reason;
use crate::error::StoreError;

/// So many redrives in vain, and a record is left alone until an operator releases it.
const FAILURES_MAX: i32 = 3;

/// What became of a step's records.
#[derive(Debug, Default)]
pub(super) struct Noted {
    pub(super) applied: usize,
    pub(super) failed: usize,
}

/// What a step did to one sequence.
#[derive(Debug, Default)]
struct Progress {
    applied: i64,
    done_to: i64,
    failure: Option<String>,
    /// Nothing of it can go on.
    is_blocked: bool,
}

/// Removes what was applied, marks what failed, and moves the redrive on. In a dry run only the
/// last. `reasons` may be fewer than `entries`: the rest was not tried.
pub(super) async fn note(
    conn: &mut PgConnection,
    redrive: &Redrive,
    entries: &[Entry],
    reasons: &[Option<Reason>],
) -> Result<Noted, StoreError> {
    let mut sequences = BTreeMap::<i64, Progress>::new();
    let (mut applied, mut failed) = (Vec::new(), Failed::default());
    for (entry, reason) in entries.iter().zip(reasons) {
        let progress = sequences.entry(entry.head).or_default();
        match reason {
            None => {
                progress.applied += 1;
                applied.push(entry.id);
            }
            Some(reason) if reason.waits => continue,
            Some(reason) => {
                let why = format!("{}: {}", reason.cause, reason.detail);
                progress.failure.get_or_insert(why);
                progress.is_blocked = true;
                failed.push(entry.id, reason);
            }
        }
        progress.done_to = entry.id;
    }
    if !redrive.dry_run {
        remove(conn, redrive, &applied).await?;
        failed.mark(conn, redrive).await?;
    }
    move_on(conn, redrive, &sequences).await?;
    let touched: Vec<i64> = sequences.into_keys().collect();
    end_sequences(conn, redrive, &touched, entries.is_empty()).await?;
    end_step(conn, redrive, reasons.len()).await?;
    Ok(Noted { applied: applied.len(), failed: failed.ids.len() })
}

async fn remove(conn: &mut PgConnection, redrive: &Redrive, ids: &[i64]) -> Result<(), StoreError> {
    sqlx::query(
        "WITH gone AS (DELETE FROM parked WHERE id = ANY($1) RETURNING *)
         INSERT INTO audit (actor, action, redrive_id, topic, partition, record_offset, parked_id,
             subject, detail)
         SELECT $2, 'redriven', $3, topic, partition, record_offset, id, subject,
             jsonb_build_object('cause', cause)
         FROM gone ORDER BY id",
    )
    .bind(ids)
    .bind(&redrive.requested_by)
    .bind(redrive.id)
    .execute(conn)
    .await?;
    Ok(())
}

/// Records that were tried in vain, column by column.
#[derive(Debug, Default)]
struct Failed<'a> {
    ids: Vec<i64>,
    causes: Vec<&'a str>,
    details: Vec<String>,
}

impl<'a> Failed<'a> {
    fn push(&mut self, id: i64, reason: &'a Reason) {
        self.ids.push(id);
        self.causes.push(reason.cause);
        self.details.push(crate::batch::parking::without_controls(&reason.detail));
    }

    async fn mark(&self, conn: &mut PgConnection, redrive: &Redrive) -> Result<(), StoreError> {
        if self.ids.is_empty() {
            return Ok(());
        }
        sqlx::query(
            "WITH failed AS (
                 UPDATE parked SET attempts = attempts + 1, redrives_failed = redrives_failed + 1,
                     cause = new.cause, detail = new.detail, blocks = true, blocked_by = NULL,
                     state = CASE WHEN redrives_failed + 1 >= $6 THEN 'quarantined' ELSE state END
                 FROM unnest($1::bigint[], $2::text[], $3::text[])
                     AS new (id, cause, detail)
                 WHERE parked.id = new.id RETURNING parked.*)
             INSERT INTO audit (actor, action, redrive_id, topic, partition, record_offset,
                 parked_id, subject, detail)
             SELECT $4, what, $5, topic, partition, record_offset, id, subject,
                 jsonb_build_object('cause', cause, 'detail', failed.detail)
             FROM failed CROSS JOIN (VALUES ('redrive-failed'), ('quarantined')) AS actions (what)
             WHERE what = 'redrive-failed' OR state = 'quarantined'
             ORDER BY id, what DESC",
        )
        .persistent(false)
        .bind(&self.ids)
        .bind(&self.causes)
        .bind(&self.details)
        .bind(&redrive.requested_by)
        .bind(redrive.id)
        .bind(FAILURES_MAX)
        .execute(conn)
        .await?;
        Ok(())
    }
}

async fn move_on(
    conn: &mut PgConnection,
    redrive: &Redrive,
    sequences: &BTreeMap<i64, Progress>,
) -> Result<(), StoreError> {
    let heads: Vec<i64> = sequences.keys().copied().collect();
    let applied: Vec<i64> = sequences.values().map(|s| s.applied).collect();
    let done_to: Vec<i64> = sequences.values().map(|s| s.done_to).collect();
    let failures: Vec<Option<&str>> = sequences.values().map(|s| s.failure.as_deref()).collect();
    let blocked: Vec<bool> = sequences.values().map(|s| s.is_blocked).collect();
    sqlx::query(
        "UPDATE redrive_sequences AS s SET applied = s.applied + new.applied,
             done_to = greatest(s.done_to, new.done_to), failure = coalesce(s.failure, new.failure),
             state = CASE WHEN new.blocked THEN 'failed' ELSE s.state END
         FROM unnest($2::bigint[], $3::bigint[], $4::bigint[], $5::text[], $6::bool[])
             AS new (head, applied, done_to, failure, blocked)
         WHERE s.redrive_id = $1 AND s.head = new.head",
    )
    .persistent(false)
    .bind(redrive.id)
    .bind(&heads)
    .bind(&applied)
    .bind(&done_to)
    .bind(&failures)
    .bind(&blocked)
    .execute(conn)
    .await?;
    Ok(())
}

/// Ends those sequences of which nothing is left to be tried: the touched ones, or where nothing
/// came next, all.
async fn end_sequences(
    conn: &mut PgConnection,
    redrive: &Redrive,
    touched: &[i64],
    nothing_came: bool,
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE redrive_sequences AS s SET
             state = CASE WHEN s.failure IS NULL AND NOT left_over.quarantined THEN 'done'
                          ELSE 'failed' END,
             failure = coalesce(s.failure, CASE WHEN left_over.quarantined
                 THEN 'a record of it is quarantined' END)
         FROM redrive_sequences AS t CROSS JOIN LATERAL (
             SELECT coalesce(bool_or(state = 'parked' AND id > t.done_to), false) AS any,
                    coalesce(bool_or(state = 'quarantined'), false) AS quarantined
             FROM parked WHERE (topic = t.topic AND subject = t.subject)
                 OR (t.subject IS NULL AND id = t.head)) AS left_over
         WHERE t.redrive_id = $1 AND t.state = 'waiting' AND s.redrive_id = $1 AND s.head = t.head
           AND (($3) OR (t.head = ANY($2) AND NOT left_over.any))",
    )
    .persistent(false)
    .bind(redrive.id)
    .bind(touched)
    .bind(nothing_came)
    .execute(conn)
    .await?;
    Ok(())
}

/// Whose turn it is next, and not before the rate allows it.
async fn end_step(
    conn: &mut PgConnection,
    redrive: &Redrive,
    tried: usize,
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE redrives SET
             next_step_at = clock_timestamp()
                 + make_interval(secs => coalesce($2 / rate::float8, 0)),
             ended_at = CASE WHEN NOT EXISTS (SELECT FROM redrive_sequences
                 WHERE redrive_id = $1 AND state = 'waiting') THEN clock_timestamp() END
         WHERE id = $1",
    )
    .bind(redrive.id)
    .bind(tried as f64)
    .execute(conn)
    .await?;
    Ok(())
}
