//! Copies what is parked to the dead-letter topics, after the commit, for whoever watches topics and
//! not tables. The rows in `parked` are what redrives work on; a copy may be written twice.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use chrono::{DateTime, Utc};
use postgres_client::{CONVERSATION, within};
use rdkafka::error::KafkaError;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::future_producer::DeliveryFuture;
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::types::RDKafkaErrorCode;
use serde_json::Value;
use sqlx::PgPool;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::backoff::{Backoff, Step};
use crate::batch::parking::stored_headers;
use crate::broker_watch::BrokerWatch;
use crate::error::StoreError;
use crate::ownership::handover::Handover;
use crate::shared::Shared;

/// How often it looks for what was parked.
const IDLE: Duration = Duration::from_secs(1);
/// Rows of one round: at a megabyte each they must fit into memory.
const ROWS_MAX: i64 = 32;
/// A record without an answer for this long is sent again in the next round.
const ANSWER: Duration = Duration::from_secs(10);
/// A topic that did not take its copies is left alone this long, so that the others get theirs.
const LEFT_ALONE: Duration = Duration::from_secs(30);
/// The largest record that a topic takes, and what is said about it.
const BYTES_MAX: &str = "4194304";
/// Said of a cause at most.
const DETAIL_CHARS_MAX: usize = 1000;
/// Before the names of our headers, as Kafka Connect and Kafka Streams (KIP-298, KIP-1034) do.
const OURS: &str = "__orderflow.errors.";

/// Copies until `stop`. An outage makes it wait; nothing waits for it.
pub(crate) async fn keep_copying(
    shared: Arc<Shared>,
    handover: Arc<Handover>,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let mut copier = Copier { shared, handover, producer: None, left_alone: BTreeMap::new() };
    let mut backoff = Backoff::default();
    while !stop.is_cancelled() {
        let pause = backoff.after(copier.round().await, IDLE, "dead letters wait");
        stop.run_until_cancelled(tokio::time::sleep(pause)).await;
    }
    Ok(())
}

struct Copier {
    shared: Arc<Shared>,
    handover: Arc<Handover>,
    /// Made when it is needed first: in a good deployment, never.
    producer: Option<FutureProducer<BrokerWatch>>,
    /// By the topic that was read, until when.
    left_alone: BTreeMap<String, Instant>,
}

impl Copier {
    /// Copies the oldest rows of the partitions that this process holds.
    async fn round(&mut self) -> anyhow::Result<Step> {
        let age = oldest_seconds(&self.shared, &self.handover).await?;
        self.shared.metrics.dead_letters_oldest.set(age);
        self.left_alone.retain(|_, until| *until > Instant::now());
        let rows = waiting(&self.shared, &self.handover, &self.left_alone).await?;
        if rows.is_empty() {
            return Ok(Step::NothingToDo);
        }
        let producer = match self.producer.take() {
            Some(producer) => producer,
            None => producer(&self.shared)?,
        };
        let mut sent = self.send(&producer, rows).await;
        // Its place in the log is said all the same, and the table has the whole.
        let without = sent.too_large.drain(..).map(Row::without_record).collect::<Vec<_>>();
        if !without.is_empty() {
            let again = self.send(&producer, without).await;
            sent.copied.extend(again.copied);
            sent.failed.extend(again.failed);
            sent.failed.extend(again.too_large.into_iter().map(|row| (row.topic, TOO_LARGE)));
        }
        mark(&self.shared.pool, &sent.copied).await?;
        self.shared.metrics.dead_lettered.increment(sent.copied.len() as u64);
        let until = Instant::now() + LEFT_ALONE;
        self.left_alone.extend(sent.failed.keys().map(|topic| (topic.clone(), until)));
        match sent.failed.pop_first() {
            // After a fatal error a producer only refuses: the next round makes another.
            Some((topic, error)) => {
                let what = format!("a dead letter of {topic} was not written");
                Err(anyhow::Error::new(error).context(what))
            }
            None => {
                self.producer = Some(producer);
                Ok(Step::Taken)
            }
        }
    }

    async fn send(&self, producer: &FutureProducer<BrokerWatch>, rows: Vec<Row>) -> Sent {
        let (mut sent, mut reports) = (Sent::default(), Vec::with_capacity(rows.len()));
        for row in rows {
            match send(&self.shared, producer, &row) {
                Ok(report) => reports.push((row, report)),
                Err(error) => sent.refused(row, error),
            }
        }
        for (row, report) in reports {
            match report.await {
                Ok(Ok(_)) => sent.copied.push(row.id),
                Ok(Err((error, _))) => sent.refused(row, error),
                Err(_) => sent.refused(row, KafkaError::Canceled),
            }
        }
        sent
    }
}

/// A record that its own topic took may be too large for another, with our headers on it or not
/// compressed.
const TOO_LARGE: KafkaError = KafkaError::MessageProduction(RDKafkaErrorCode::MessageSizeTooLarge);

/// What became of copies.
#[derive(Default)]
struct Sent {
    copied: Vec<i64>,
    too_large: Vec<Row>,
    /// By the topic that was read.
    failed: BTreeMap<String, KafkaError>,
}

impl Sent {
    fn refused(&mut self, row: Row, error: KafkaError) {
        match error {
            TOO_LARGE => self.too_large.push(row),
            error => drop(self.failed.insert(row.topic, error)),
        }
    }
}

/// A parked record that is not copied yet.
#[derive(sqlx::FromRow)]
struct Row {
    id: i64,
    topic: String,
    partition: i32,
    record_offset: i64,
    cause: String,
    detail: String,
    attempts: i32,
    record_key: Option<Vec<u8>>,
    payload: Option<Vec<u8>>,
    headers: Value,
    recorded_at: DateTime<Utc>,
    parked_at: DateTime<Utc>,
}

impl Row {
    /// Where it is and why it parked, and nothing of what it is.
    fn without_record(self) -> Self {
        let detail =
            format!("the record is left out, being too large for this topic; {}", self.detail);
        Self { detail, record_key: None, payload: None, headers: Value::Null, ..self }
    }
}

/// How long the oldest record has waited for its copy, of the partitions that this process holds.
pub(crate) async fn oldest_seconds(
    shared: &Shared,
    handover: &Handover,
) -> Result<f64, StoreError> {
    let (topics, partitions) = held(shared, handover);
    let oldest = sqlx::query_scalar(
        "SELECT coalesce(extract(epoch FROM clock_timestamp() - min(parked_at)), 0)::float8
         FROM unnest($1::text[], $2::int[]) AS held (topic, partition)
         CROSS JOIN LATERAL (
             SELECT parked_at FROM parked
             WHERE parked.topic = held.topic AND parked.partition = held.partition
                 AND dead_lettered_at IS NULL
             ORDER BY id LIMIT 1) AS oldest",
    );
    let oldest = oldest.bind(&topics).bind(&partitions);
    Ok(within(CONVERSATION, oldest.fetch_one(&shared.pool)).await?)
}

fn held<'a>(shared: &'a Shared, handover: &Handover) -> (Vec<&'a str>, Vec<i32>) {
    let held = handover.held().into_iter();
    held.map(|key| (shared.names.name(key.topic), key.number())).unzip()
}

async fn waiting(
    shared: &Shared,
    handover: &Handover,
    left_alone: &BTreeMap<String, Instant>,
) -> Result<Vec<Row>, StoreError> {
    let (topics, partitions): (Vec<&str>, Vec<i32>) = {
        let (topics, partitions) = held(shared, handover);
        let all = topics.into_iter().zip(partitions);
        all.filter(|(topic, _)| !left_alone.contains_key(*topic)).unzip()
    };
    let rows = sqlx::query_as(
        "SELECT id, topic, partition, record_offset, cause, detail, attempts, record_key, payload,
                headers, recorded_at, parked_at
         FROM parked WHERE dead_lettered_at IS NULL
             AND (topic, partition) IN (SELECT * FROM unnest($1::text[], $2::int[]))
         ORDER BY id LIMIT $3",
    );
    // Its best plan hangs on how much is parked: it is made for this time only.
    let rows = rows.persistent(false).bind(&topics).bind(&partitions).bind(ROWS_MAX);
    Ok(within(CONVERSATION, rows.fetch_all(&shared.pool)).await?)
}

async fn mark(pool: &PgPool, ids: &[i64]) -> Result<(), StoreError> {
    let mark = "UPDATE parked SET dead_lettered_at = clock_timestamp() WHERE id = ANY($1)";
    let mark = sqlx::query(mark).bind(ids).execute(pool);
    Ok(within(CONVERSATION, mark).await.map(drop)?)
}

/// Key, value and headers as they came, and ours behind them.
fn send(
    shared: &Shared,
    producer: &FutureProducer<BrokerWatch>,
    row: &Row,
) -> Result<DeliveryFuture, KafkaError> {
    let original = shared.names.topic(&row.topic).ok_or(KafkaError::Canceled)?;
    let topic = shared.settings.kafka.prefixed(&original.dead_letters(shared.process.name));
    let mut record =
        FutureRecord::to(&topic).partition(row.partition).headers(headers(shared, row));
    if let Some(key) = &row.record_key {
        record = record.key(key);
    }
    if let Some(payload) = &row.payload {
        record = record.payload(payload);
    }
    producer.send_result(record).map_err(|(error, _)| error)
}

fn headers(shared: &Shared, row: &Row) -> OwnedHeaders {
    let original = stored_headers::from_json(&row.headers);
    let mut headers = OwnedHeaders::new_with_capacity(original.len() + 9);
    for (key, value) in &original {
        headers = headers.insert(Header { key, value: value.as_ref() });
    }
    let ours = [
        ("group", shared.process.name.to_owned()),
        ("topic", row.topic.clone()),
        ("partition", row.partition.to_string()),
        ("offset", row.record_offset.to_string()),
        ("timestamp", row.recorded_at.to_rfc3339()),
        ("cause", row.cause.clone()),
        ("detail", row.detail.chars().take(DETAIL_CHARS_MAX).collect()),
        ("attempts", row.attempts.to_string()),
        ("parked_at", row.parked_at.to_rfc3339()),
    ];
    ours.iter().fold(headers, |headers, (name, value)| {
        headers.insert(Header { key: &format!("{OURS}{name}"), value: Some(value) })
    })
}

fn producer(shared: &Shared) -> anyhow::Result<FutureProducer<BrokerWatch>> {
    let brokers = BrokerWatch { kafka: shared.kafka.clone() };
    let mut config = shared.settings.kafka.producer(shared.process.name, Some(ANSWER));
    config.set("message.max.bytes", BYTES_MAX);
    // A batch that is too large is refused whole.
    config.set("batch.num.messages", "1");
    config.create_with_context(brokers).context("could not create the producer")
}
