//! Which records of a batch park, and their rows. A subject that has a parked record parks whole,
//! so that its events are applied in order or not at all; everything else flows.

mod limits;
pub(crate) mod stored_headers;

use std::collections::{HashMap, HashSet};

use events_schema::Topic;
use serde_json::Value;
use sqlx::PgConnection;

use crate::error::StoreError;
use crate::partition::Source;
use crate::projection::Rejection;
use crate::record::{Content, Record};
use crate::topic_names::TopicNames;

/// What parks of one batch.
#[derive(Debug, Default)]
pub(crate) struct Parking {
    /// Subjects that had a blocking record before this batch. Those of a topic: a SKU's stock and
    /// its product have the same name, but no order between them.
    blocked: HashSet<(Topic, String)>,
    /// What decide said of records of this batch.
    rejected: HashMap<Source, Reason>,
}

/// Why a record parks.
#[derive(Debug, Clone, PartialEq, Eq)]
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
        names: &TopicNames,
        records: &[Record],
    ) -> Result<Self, StoreError> {
        let subjects: HashSet<(Topic, &str)> = records.iter().filter_map(subject_of).collect();
        let (topics, subjects): (Vec<&str>, Vec<&str>) =
            subjects.into_iter().map(|(topic, subject)| (names.name(topic), subject)).unzip();
        let rows: Vec<(String, String)> = sqlx::query_as(
            "SELECT topic, subject FROM unnest($1::text[], $2::text[]) AS batch (topic, subject)
             CROSS JOIN LATERAL (
                 SELECT FROM parked AS p WHERE p.blocks AND p.state <> 'discarded'
                 AND p.topic = batch.topic AND p.subject = batch.subject LIMIT 1) AS blocking",
        )
        .bind(&topics)
        .bind(&subjects)
        .fetch_all(conn)
        .await?;
        let key = |(topic, subject): (String, String)| Some((names.topic(&topic)?, subject));
        Ok(Self { blocked: rows.into_iter().filter_map(key).collect(), rejected: HashMap::new() })
    }

    /// Records what decide rejected.
    pub(crate) fn reject(&mut self, rejections: &[Rejection]) {
        for Rejection { source, cause, detail } in rejections {
            let (cause, detail) = (*cause, detail.clone());
            self.rejected.insert(*source, Reason { cause, detail, waits: false });
        }
    }

    /// Why each record of the batch parks, in order; `None` where it does not. What does not change
    /// the projection cannot come too early for it: it never parks.
    pub(crate) fn sift(&self, records: &[Record]) -> Vec<Option<Reason>> {
        let mut blocked: HashSet<(Topic, &str)> =
            self.blocked.iter().map(|(topic, subject)| (*topic, subject.as_str())).collect();
        let mut reasons = Vec::with_capacity(records.len());
        for record in records {
            let subject = subject_of(record);
            let waits = subject.is_some_and(|subject| blocked.contains(&subject));
            let reason = match &record.content {
                Content::Irrelevant => None,
                _ if waits => Some(waiting()),
                content => {
                    own_reason(content).or_else(|| self.rejected.get(&record.source).cloned())
                }
            };
            if reason.is_some() {
                blocked.extend(subject);
            }
            reasons.push(reason);
        }
        reasons
    }

    /// Writes the rows of what parks: first the causes, then what waits behind them.
    pub(crate) async fn save(
        conn: &mut PgConnection,
        names: &TopicNames,
        records: &[Record],
        reasons: &[Option<Reason>],
    ) -> Result<(), StoreError> {
        let parked = || records.iter().zip(reasons).filter_map(|(r, why)| Some((r, why.as_ref()?)));
        for waits in [false, true] {
            let mut rows = Rows::default();
            for (record, reason) in parked().filter(|(_, reason)| reason.waits == waits) {
                rows.push(names, record, reason);
            }
            rows.insert(conn, waits).await?;
        }
        Ok(())
    }
}

fn subject_of(record: &Record) -> Option<(Topic, &str)> {
    record.subject().map(|subject| (record.source.topic, subject))
}

fn own_reason(content: &Content) -> Option<Reason> {
    let Content::Poison { cause, detail } = content else { return None };
    Some(Reason { cause, detail: detail.clone(), waits: false })
}

fn waiting() -> Reason {
    let detail = "an earlier event of the same subject is parked".to_owned();
    Reason { cause: "blocked", detail, waits: true }
}

/// Rows of `parked`, column by column.
#[derive(Default)]
struct Rows<'a> {
    topics: Vec<&'a str>,
    partitions: Vec<i32>,
    offsets: Vec<i64>,
    subjects: Vec<Option<&'a str>>,
    event_ids: Vec<Option<uuid::Uuid>>,
    event_types: Vec<Option<&'a str>>,
    causes: Vec<&'a str>,
    details: Vec<String>,
    keys: Vec<Option<&'a [u8]>>,
    payloads: Vec<Option<&'a [u8]>>,
    headers: Vec<Value>,
    recorded: Vec<chrono::DateTime<chrono::Utc>>,
}

impl<'a> Rows<'a> {
    fn push(&mut self, names: &'a TopicNames, record: &'a Record, reason: &'a Reason) {
        self.topics.push(names.name(record.source.topic));
        self.partitions.push(record.source.partition.0);
        self.offsets.push(record.source.offset.0);
        self.subjects.push(record.subject());
        self.event_ids.push(record.envelope.event_id.map(|id| id.uuid()));
        self.event_types.push(record.envelope.event_type.as_deref());
        self.causes.push(reason.cause);
        self.details.push(without_controls(&reason.detail));
        self.keys.push(record.raw.key.as_deref());
        self.payloads.push(record.raw.payload.as_deref());
        self.headers.push(stored_headers::to_json(&record.raw));
        self.recorded.push(record.recorded_at.to_utc());
    }

    /// One statement for all of them; their ids are in log order. What waits names the first
    /// parked record of its subject. After a position was set back a record may be parked already.
    async fn insert(&self, conn: &mut PgConnection, waits: bool) -> Result<(), StoreError> {
        if self.topics.is_empty() {
            return Ok(());
        }
        sqlx::query(
            "INSERT INTO parked (topic, topic_id, partition, record_offset, subject, event_id,
                 event_type, cause, detail, blocks, record_key, payload, headers, recorded_at,
                 attempts, blocked_by)
             SELECT new.topic, at.topic_id, new.partition, record_offset, subject, event_id,
                 event_type, cause, detail, true, record_key, payload, headers, recorded_at,
                 CASE WHEN $13 THEN 0 ELSE 1 END,
                 CASE WHEN $13 THEN (SELECT min(p.id) FROM parked AS p
                     WHERE p.blocks AND p.state <> 'discarded'
                     AND p.topic = new.topic AND p.subject = new.subject) END
             FROM unnest($1::text[], $2::int[], $3::bigint[], $4::text[], $5::uuid[], $6::text[],
                 $7::text[], $8::text[], $9::bytea[], $10::bytea[], $11::jsonb[],
                 $12::timestamptz[]) WITH ORDINALITY
                 AS new (topic, partition, record_offset, subject, event_id, event_type, cause,
                     detail, record_key, payload, headers, recorded_at, place)
             JOIN positions AS at ON at.topic = new.topic AND at.partition = new.partition
             ORDER BY place
             ON CONFLICT DO NOTHING",
        )
        .bind(&self.topics)
        .bind(&self.partitions)
        .bind(&self.offsets)
        .bind(&self.subjects)
        .bind(&self.event_ids)
        .bind(&self.event_types)
        .bind(&self.causes)
        .bind(&self.details)
        .bind(&self.keys)
        .bind(&self.payloads)
        .bind(&self.headers)
        .bind(&self.recorded)
        .bind(waits)
        .execute(conn)
        .await?;
        Ok(())
    }
}

/// A detail may repeat what a sender wrote, and Postgres' text has no zero character.
pub(crate) fn without_controls(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}
