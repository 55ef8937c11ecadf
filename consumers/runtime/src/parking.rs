//! Which records of a batch park, and their rows. A subject that has a parked record parks whole,
//! so that its events are applied in order or not at all; everything else flows.

use std::collections::HashMap;

use serde_json::{Value, json};
use sqlx::PgConnection;

use crate::error::StoreError;
use crate::projection::{Rejection, Source};
use crate::record::{Content, Record};
use crate::topic_names::TopicNames;

/// What parks of one batch.
#[derive(Debug, Default)]
pub(crate) struct Parking {
    /// Subjects that had a parked record before this batch, and the first one's id.
    blocked: HashMap<String, i64>,
    /// What decide or the database said of records of this batch.
    rejected: HashMap<Source, (&'static str, String)>,
}

/// Why a record parks.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Reason {
    pub cause: &'static str,
    pub detail: String,
    /// It is fine itself, but waits behind another one.
    pub waits: bool,
}

impl Parking {
    /// Asks which of the batch's subjects have a parked record: one probe for the whole batch.
    pub(crate) async fn probe(
        conn: &mut PgConnection,
        records: &[Record],
    ) -> Result<Self, StoreError> {
        let mut subjects: Vec<&str> = records.iter().filter_map(Record::subject).collect();
        subjects.sort_unstable();
        subjects.dedup();
        let rows: Vec<(String, i64)> = sqlx::query_as(
            "SELECT subject, min(id) FROM parked WHERE subject = ANY($1) GROUP BY subject",
        )
        .bind(&subjects)
        .fetch_all(conn)
        .await?;
        Ok(Self { blocked: rows.into_iter().collect(), rejected: HashMap::new() })
    }

    /// Records what decide refused.
    pub(crate) fn reject(&mut self, rejections: Vec<Rejection>) {
        for Rejection { source, cause, detail } in rejections {
            self.rejected.insert(source, (cause, detail));
        }
    }

    /// Why each record of the batch parks, in order; `None` where it does not.
    pub(crate) fn sift(&self, records: &[Record]) -> Vec<Option<Reason>> {
        let mut behind: Vec<&str> = Vec::new();
        let mut reasons = Vec::with_capacity(records.len());
        for record in records {
            let subject = record.subject();
            let waits =
                subject.is_some_and(|s| self.blocked.contains_key(s) || behind.contains(&s));
            let reason = if waits { Some(waiting()) } else { self.own_reason(record) };
            if reason.is_some() && !waits {
                behind.extend(subject);
            }
            reasons.push(reason);
        }
        reasons
    }

    fn own_reason(&self, record: &Record) -> Option<Reason> {
        let (cause, detail) = match (&record.content, self.rejected.get(&record.source)) {
            (Content::Poison { cause, detail }, _) => (*cause, detail.clone()),
            (_, Some((cause, detail))) => (*cause, detail.clone()),
            _ => return None,
        };
        Some(Reason { cause, detail, waits: false })
    }

    /// Writes the rows of what parks: first the causes, then what waits behind them.
    pub(crate) async fn save(
        &self,
        conn: &mut PgConnection,
        names: &TopicNames,
        records: &[Record],
        reasons: &[Option<Reason>],
    ) -> Result<(), StoreError> {
        let mut heads = self.blocked.clone();
        for waits in [false, true] {
            let chosen = records.iter().zip(reasons).filter_map(|(record, reason)| {
                reason
                    .as_ref()
                    .filter(|reason| reason.waits == waits)
                    .map(|reason| (record, reason))
            });
            for (record, reason) in chosen {
                let head = record.subject().and_then(|subject| heads.get(subject).copied());
                let blocked_by = head.filter(|_| waits);
                let id = insert(conn, names, record, reason, blocked_by).await?;
                if let Some(subject) = record.subject() {
                    heads.entry(subject.to_owned()).or_insert(id);
                }
            }
        }
        Ok(())
    }
}

fn waiting() -> Reason {
    let detail = "an earlier event of the same subject is parked".to_owned();
    Reason { cause: "blocked", detail, waits: true }
}

/// One statement per parked record: parking is the exception, and its ids must be in log order.
async fn insert(
    conn: &mut PgConnection,
    names: &TopicNames,
    record: &Record,
    reason: &Reason,
    blocked_by: Option<i64>,
) -> Result<i64, StoreError> {
    let (id,): (i64,) = sqlx::query_as(
        "INSERT INTO parked (topic, partition, record_offset, subject, event_id, event_type, cause,
                             detail, blocked_by, record_key, payload, headers, recorded_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
         RETURNING id",
    )
    .bind(names.name(record.source.topic))
    .bind(record.source.partition.0)
    .bind(record.source.offset.0)
    .bind(record.subject())
    .bind(record.envelope.event_id.map(|id| id.uuid()))
    .bind(&record.envelope.event_type)
    .bind(reason.cause)
    .bind(&reason.detail)
    .bind(blocked_by)
    .bind(&record.raw.key)
    .bind(&record.raw.payload)
    .bind(headers(record))
    .bind(record.recorded_at.to_utc())
    .fetch_one(conn)
    .await?;
    Ok(id)
}

/// Every header in order, as `[name, value]`; a value that is no text as `{"hex": …}`.
fn headers(record: &Record) -> Value {
    let value = |bytes: &Option<Vec<u8>>| match bytes {
        None => Value::Null,
        Some(bytes) => match std::str::from_utf8(bytes) {
            // Postgres' jsonb has no zero character.
            Ok(text) if !text.contains('\0') => json!(text),
            _ => json!({ "hex": bytes.iter().map(|b| format!("{b:02x}")).collect::<String>() }),
        },
    };
    let name = |name: &str| name.replace('\0', "\u{fffd}");
    record.raw.headers.iter().map(|(key, bytes)| json!([name(key), value(bytes)])).collect()
}
