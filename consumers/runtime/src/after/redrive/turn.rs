//! What a step is about: whose turn it is, and the parked records that come next, in order. Changes
//! none of them.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use events_schema::Timestamp;
use serde_json::Value;
use sqlx::{PgConnection, PgPool};

use crate::batch::parking::stored_headers;
use crate::batch::pending::REFUSED_BY_DATABASE;
use crate::error::StoreError;
use crate::partition::{Offset, Partition, Source};
use crate::raw_headers::RawHeaders;
use crate::record::{RawRecord, Record};
use crate::topic_names::TopicNames;

/// What was asked for.
#[derive(Debug, sqlx::FromRow)]
pub(super) struct Redrive {
    pub(super) id: i64,
    pub(super) dry_run: bool,
    pub(super) requested_by: String,
    /// Records per second.
    rate: Option<i32>,
}

/// Where a record stands among the parked ones.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    /// Of its sequence.
    pub(super) head: i64,
    pub(super) id: i64,
    /// What the database said where it refused the record before.
    pub(super) refused: Option<String>,
}

macro_rules! turn {
    ($rest:literal) => {
        concat!(
            "SELECT id, dry_run, requested_by, rate FROM redrives
             WHERE ended_at IS NULL AND next_step_at <= clock_timestamp()
             ORDER BY id LIMIT 1 ",
            $rest
        )
    };
}

/// The oldest redrive whose turn it is, locked; one that another process is at is passed over.
pub(super) async fn take(conn: &mut PgConnection) -> Result<Option<Redrive>, StoreError> {
    Ok(sqlx::query_as(turn!("FOR UPDATE SKIP LOCKED")).fetch_optional(conn).await?)
}

/// What the next step will probably be about, and whether it is one of a dry run. Locks nothing.
pub(super) async fn peek(
    pool: &PgPool,
    names: &TopicNames,
    rows_max: usize,
) -> Result<(bool, Vec<Record>), StoreError> {
    let mut conn = pool.acquire().await?;
    let redrive: Option<Redrive> = sqlx::query_as(turn!("")).fetch_optional(&mut *conn).await?;
    let Some(redrive) = redrive else { return Ok((false, vec![])) };
    let rows = waiting(&mut conn, redrive.id, redrive.limit(rows_max)).await?;
    Ok((redrive.dry_run, rows.into_iter().filter_map(|row| row.record(names)).collect()))
}

impl Redrive {
    /// Records of one step.
    fn limit(&self, rows_max: usize) -> i64 {
        let of_a_second = self.rate.and_then(|rate| usize::try_from(rate).ok());
        i64::try_from(of_a_second.unwrap_or(usize::MAX).min(rows_max)).unwrap_or(i64::MAX)
    }
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
    cause: String,
    detail: String,
}

/// What is to be applied next, in order, with the positions of its partitions locked: so no batch
/// parks another record of the same subject meanwhile. A dry run locks none: it reads a snapshot,
/// and that its answer may be old by a batch matters less than that it holds none up.
pub(super) async fn next(
    conn: &mut PgConnection,
    names: &TopicNames,
    redrive: &Redrive,
    rows_max: usize,
) -> Result<(Vec<Entry>, Vec<Record>), StoreError> {
    let limit = redrive.limit(rows_max);
    let partition = |row: &Row| (row.topic.clone(), row.partition);
    let mut rows = waiting(conn, redrive.id, limit).await?;
    if !redrive.dry_run {
        let locked: BTreeSet<(String, i32)> = rows.iter().map(partition).collect();
        lock(conn, &locked).await?;
        // Again, because a batch may have ended in between.
        rows = waiting(conn, redrive.id, limit).await?;
        let strange = rows.iter().position(|row| !locked.contains(&partition(row)));
        rows.truncate(strange.unwrap_or(rows.len()));
    }
    let known = rows.into_iter().filter_map(|row| Some((row.entry(), row.record(names)?)));
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
                p.payload, p.headers, p.recorded_at, p.cause, p.detail
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
    fn entry(&self) -> Entry {
        let refused = (self.cause == REFUSED_BY_DATABASE).then(|| self.detail.clone());
        Entry { head: self.head, id: self.id, refused }
    }

    /// `None` where the topic is none of this deployment's.
    fn record(self, names: &TopicNames) -> Option<Record> {
        let (partition, offset) = (Partition(self.partition), Offset(self.record_offset));
        let source = Source { topic: names.topic(&self.topic)?, partition, offset };
        let raw = RawRecord {
            key: self.record_key,
            payload: self.payload,
            headers: RawHeaders::from(stored_headers::from_json(&self.headers).as_slice()),
        };
        let recorded_at = Timestamp::from_micros(self.recorded_at.timestamp_micros());
        Some(Record::parked(source, recorded_at, raw, self.subject))
    }
}
