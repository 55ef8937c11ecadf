//! The rows of redrives and parked records: whose turn it is, what comes next, what became of it.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use events_schema::Timestamp;
use serde_json::Value;
use sqlx::{PgConnection, PgPool};

use crate::error::StoreError;
use crate::parking::{Reason, stored_headers};
use crate::projection::{Later, Offset, Partition, Source};
use crate::record::{Raw, Record};
use crate::topic_names::TopicNames;

/// So many redrives in vain, and a record is left alone until an operator releases it.
const FAILURES_MAX: i32 = 3;

/// What was asked for.
#[derive(Debug, sqlx::FromRow)]
pub(super) struct Redrive {
    pub(super) id: i64,
    pub(super) dry_run: bool,
    requested_by: String,
    /// Records per second.
    rate: Option<i32>,
}

/// Where a record stands among the parked ones.
#[derive(Debug, Clone)]
pub(super) struct Place {
    /// Of its sequence.
    head: i64,
    id: i64,
}

/// What became of a step's records.
#[derive(Debug, Default)]
pub(super) struct Noted {
    pub(super) applied: usize,
    pub(super) failed: usize,
}

/// How many records are in each state.
pub(super) async fn parked(pool: &PgPool) -> Result<Vec<(String, i64)>, StoreError> {
    let states = "SELECT state, count(parked.id)
                  FROM unnest('{parked,quarantined,discarded}'::text[]) AS states (state)
                  LEFT JOIN parked USING (state) GROUP BY state";
    Ok(sqlx::query_as(states).fetch_all(pool).await?)
}

/// The oldest redrive whose turn it is, locked; one that another process is at is passed over.
pub(super) async fn take_turn(conn: &mut PgConnection) -> Result<Option<Redrive>, StoreError> {
    let turn = sqlx::query_as(
        "SELECT id, dry_run, requested_by, rate FROM redrives
         WHERE ended_at IS NULL AND next_step_at <= clock_timestamp()
         ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED",
    );
    Ok(turn.fetch_optional(conn).await?)
}

/// A parked record and the sequence that it is of.
#[derive(sqlx::FromRow)]
struct Row {
    head: i64,
    id: i64,
    topic: String,
    partition: i32,
    record_offset: i64,
    subject: Option<String>,
    record_key: Option<Vec<u8>>,
    payload: Option<Vec<u8>>,
    headers: Value,
    recorded_at: DateTime<Utc>,
}

/// What is to be applied next, in order, with the positions of its partitions locked: so no batch
/// parks another record of the same subject meanwhile.
pub(super) async fn next(
    conn: &mut PgConnection,
    names: &TopicNames,
    redrive: &Redrive,
    rows_max: usize,
) -> Result<(Vec<Place>, Vec<Record>), StoreError> {
    // A dry run disturbs nobody.
    let rate = redrive.rate.filter(|_| !redrive.dry_run);
    let of_a_second = rate.and_then(|rate| usize::try_from(rate).ok());
    let limit = of_a_second.unwrap_or(usize::MAX).min(rows_max);
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let partition = |row: &Row| (row.topic.clone(), row.partition);
    let waiting = waiting(conn, redrive.id, limit).await?;
    let locked: BTreeSet<(String, i32)> = waiting.iter().map(partition).collect();
    lock(conn, &locked).await?;
    // Again, because a batch may have ended in between.
    let rows = self::waiting(conn, redrive.id, limit).await?;
    let rows = rows.into_iter().take_while(|row| locked.contains(&partition(row)));
    let known =
        rows.filter_map(|row| Some((Place { head: row.head, id: row.id }, row.record(names)?)));
    Ok(known.unzip())
}

/// Behind a quarantined record nothing of its subject goes on.
async fn waiting(
    conn: &mut PgConnection,
    redrive: i64,
    limit: i64,
) -> Result<Vec<Row>, StoreError> {
    let rows = sqlx::query_as(
        "SELECT s.head, p.id, p.topic, p.partition, p.record_offset, p.subject, p.record_key,
                p.payload, p.headers, p.recorded_at
         FROM (SELECT * FROM redrive_sequences WHERE redrive_id = $1 AND state = 'waiting'
               ORDER BY head LIMIT $2) AS s
         CROSS JOIN LATERAL (
             SELECT * FROM parked WHERE topic = s.topic AND subject = s.subject
                 AND state = 'parked' AND id > s.done_to
                 AND NOT EXISTS (SELECT FROM parked AS q WHERE q.topic = s.topic
                     AND q.subject = s.subject AND q.state = 'quarantined' AND q.blocks
                     AND q.id < parked.id)
             UNION ALL
             SELECT * FROM parked WHERE s.subject IS NULL AND id = s.head AND state = 'parked'
                 AND id > s.done_to
             ORDER BY id LIMIT $2) AS p
         ORDER BY s.head, p.id LIMIT $2",
    );
    Ok(rows.bind(redrive).bind(limit).fetch_all(conn).await?)
}

async fn lock(
    conn: &mut PgConnection,
    partitions: &BTreeSet<(String, i32)>,
) -> Result<(), StoreError> {
    let (topics, numbers): (Vec<&str>, Vec<i32>) =
        partitions.iter().map(|(topic, number)| (topic.as_str(), *number)).unzip();
    sqlx::query(
        "SELECT FROM positions WHERE (topic, partition) IN (SELECT * FROM unnest($1::text[], $2::int[]))
         ORDER BY topic, partition FOR UPDATE",
    )
    .bind(&topics)
    .bind(&numbers)
    .execute(conn)
    .await?;
    Ok(())
}

impl Row {
    /// `None` where the topic is none of this deployment's.
    fn record(self, names: &TopicNames) -> Option<Record> {
        let (partition, offset) = (Partition(self.partition), Offset(self.record_offset));
        let source = Source { topic: names.topic(&self.topic)?, partition, offset };
        let raw = Raw {
            key: self.record_key,
            payload: self.payload,
            headers: stored_headers::from_json(&self.headers),
        };
        let recorded_at = Timestamp::from_micros(self.recorded_at.timestamp_micros());
        Some(Record::parked(source, recorded_at, raw, self.subject))
    }
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
/// last. `reasons` may be fewer than `places`: the rest was not tried.
pub(super) async fn note(
    conn: &mut PgConnection,
    redrive: &Redrive,
    places: &[Place],
    reasons: &[Option<Reason>],
) -> Result<Noted, StoreError> {
    let mut sequences = BTreeMap::<i64, Progress>::new();
    let (mut applied, mut failed) = (Vec::new(), Failed::default());
    for (place, reason) in places.iter().zip(reasons) {
        let progress = sequences.entry(place.head).or_default();
        match reason {
            None => {
                progress.applied += 1;
                applied.push(place.id);
            }
            Some(reason) if reason.waits => continue,
            Some(reason) => {
                let why = format!("{}: {}", reason.cause, reason.detail);
                progress.failure.get_or_insert(why);
                progress.is_blocked |= reason.later == Later::Parks;
                failed.push(place.id, reason);
            }
        }
        progress.done_to = place.id;
    }
    if !redrive.dry_run {
        remove(conn, redrive, &applied).await?;
        failed.mark(conn, redrive).await?;
    }
    move_on(conn, redrive, &sequences).await?;
    let touched: Vec<i64> = sequences.into_keys().collect();
    end_sequences(conn, redrive, &touched, places.is_empty()).await?;
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
    blocks: Vec<bool>,
}

impl<'a> Failed<'a> {
    fn push(&mut self, id: i64, reason: &'a Reason) {
        self.ids.push(id);
        self.causes.push(reason.cause);
        self.details.push(crate::parking::without_controls(&reason.detail));
        self.blocks.push(reason.later == Later::Parks);
    }

    async fn mark(&self, conn: &mut PgConnection, redrive: &Redrive) -> Result<(), StoreError> {
        if self.ids.is_empty() {
            return Ok(());
        }
        sqlx::query(
            "WITH failed AS (
                 UPDATE parked SET attempts = attempts + 1, redrives_failed = redrives_failed + 1,
                     cause = new.cause, detail = new.detail, blocks = new.blocks, blocked_by = NULL,
                     state = CASE WHEN redrives_failed + 1 >= $7 THEN 'quarantined' ELSE state END
                 FROM unnest($1::bigint[], $2::text[], $3::text[], $4::bool[])
                     AS new (id, cause, detail, blocks)
                 WHERE parked.id = new.id RETURNING parked.*)
             INSERT INTO audit (actor, action, redrive_id, topic, partition, record_offset,
                 parked_id, subject, detail)
             SELECT $5, what, $6, topic, partition, record_offset, id, subject,
                 jsonb_build_object('cause', cause, 'detail', failed.detail)
             FROM failed CROSS JOIN (VALUES ('redrive-failed'), ('quarantined')) AS actions (what)
             WHERE what = 'redrive-failed' OR state = 'quarantined'
             ORDER BY id, what DESC",
        )
        .bind(&self.ids)
        .bind(&self.causes)
        .bind(&self.details)
        .bind(&self.blocks)
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
                 + make_interval(secs => CASE WHEN dry_run THEN 0
                       ELSE coalesce($2 / rate::float8, 0) END),
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
