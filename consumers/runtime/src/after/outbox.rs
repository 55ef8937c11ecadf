//! Events that follow from a batch: rows in its transaction, and how they are published and
//! removed. When, and which partitions', is not decided here.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use events_schema::envelope;
use events_schema::wire::EncodeError;
use postgres_client::{CONVERSATION, within};
use rdkafka::error::KafkaError;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{DeliveryFuture, FutureProducer, FutureRecord};
use rdkafka::types::RDKafkaErrorCode;
use serde_json::Value;
use sqlx::{PgConnection, PgPool};

use crate::batch::decide_batch::Bench;
use crate::error::StoreError;
use crate::log::group::BrokerWatch;
use crate::projection::{FollowUp, Source};
use crate::record::Record;

/// Rows of a partition that are published at once.
const ROWS_MAX: i64 = 500;

/// Writes the rows, in order. An event belongs to the trace of the record that caused it.
pub(crate) async fn save(
    conn: &mut PgConnection,
    bench: &Bench<'_>,
    causes: &[Record],
    follow_ups: &[FollowUp],
) -> Result<(), StoreError> {
    if follow_ups.is_empty() {
        return Ok(());
    }
    let traces = causes.iter().map(|cause| (cause.source, cause.envelope.traceparent.as_deref()));
    let traces: HashMap<Source, Option<&str>> = traces.collect();
    let mut rows = Rows::default();
    for follow_up in follow_ups {
        let trace = traces.get(&follow_up.cause).copied().flatten();
        let pushed = rows.push(bench, follow_up, trace);
        pushed.map_err(|error| StoreError::Broken(error.to_string()))?;
    }
    sqlx::query(
        "INSERT INTO outbox (topic, partition, record_key, payload, headers)
         SELECT topic, partition, record_key, payload, headers
         FROM unnest($1::text[], $2::int[], $3::text[], $4::bytea[], $5::jsonb[])
             WITH ORDINALITY AS new (topic, partition, record_key, payload, headers, place)
         ORDER BY place",
    )
    .bind(&rows.topics)
    .bind(&rows.partitions)
    .bind(&rows.keys)
    .bind(&rows.payloads)
    .bind(&rows.headers)
    .execute(conn)
    .await?;
    Ok(())
}

#[derive(Default)]
struct Rows<'a> {
    topics: Vec<&'a str>,
    partitions: Vec<i32>,
    keys: Vec<&'a str>,
    payloads: Vec<Vec<u8>>,
    headers: Vec<Value>,
}

impl<'a> Rows<'a> {
    fn push(
        &mut self,
        bench: &'a Bench<'_>,
        follow_up: &'a FollowUp,
        traceparent: Option<&str>,
    ) -> Result<(), EncodeError> {
        let event = &follow_up.event;
        self.payloads.push(bench.encoder.encode(event, Vec::new())?);
        self.topics.push(bench.names.name(event.event_type().topic()));
        self.partitions.push(follow_up.cause.partition.0);
        self.keys.push(event.key());
        let pair = |(name, value): (&'static str, Cow<'_, str>)| Value::from(vec![name, &value]);
        let headers = envelope::headers(event, bench.source, traceparent);
        self.headers.push(headers.into_iter().map(pair).collect());
        Ok(())
    }
}

/// A partition as the outbox names it.
pub(crate) type Place = (String, i32);

/// A row: its id and the event to be published.
#[derive(Debug, sqlx::FromRow)]
pub(crate) struct Row {
    id: i64,
    topic: String,
    partition: i32,
    record_key: String,
    payload: Vec<u8>,
    headers: Value,
}

/// The oldest rows of each of these partitions, in order.
pub(crate) async fn waiting(
    pool: &PgPool,
    places: &[Place],
) -> Result<BTreeMap<Place, Vec<Row>>, StoreError> {
    let (topics, partitions): (Vec<&str>, Vec<i32>) =
        places.iter().map(|(topic, partition)| (topic.as_str(), *partition)).unzip();
    let oldest = sqlx::query_as(
        "SELECT rows.* FROM unnest($1::text[], $2::int[]) AS held (topic, partition)
         CROSS JOIN LATERAL (
             SELECT id, topic, partition, record_key, payload, headers FROM outbox
             WHERE outbox.topic = held.topic AND outbox.partition = held.partition
             ORDER BY id LIMIT $3) AS rows
         ORDER BY id",
    )
    .bind(&topics)
    .bind(&partitions)
    .bind(ROWS_MAX);
    let rows: Vec<Row> = within(CONVERSATION, oldest.fetch_all(pool)).await?;
    let mut by_place = BTreeMap::<Place, Vec<Row>>::new();
    for row in rows {
        by_place.entry((row.topic.clone(), row.partition)).or_default().push(row);
    }
    Ok(by_place)
}

/// Removes what is published.
pub(crate) async fn remove(pool: &PgPool, ids: &[i64]) -> Result<(), StoreError> {
    let published = sqlx::query("DELETE FROM outbox WHERE id = ANY($1)").bind(ids);
    Ok(within(CONVERSATION, published.execute(pool)).await.map(drop)?)
}

/// What became of the rows of one partition.
#[derive(Debug)]
pub(crate) struct Delivery {
    pub place: Place,
    /// Replicated: to be removed.
    pub delivered: Vec<i64>,
    /// Why not all of them are.
    pub failed: Option<KafkaError>,
}

/// Publishes rows of one partition and waits until every one is replicated, or refused.
pub(crate) async fn deliver(
    producer: FutureProducer<BrokerWatch>,
    place: Place,
    rows: Vec<Row>,
) -> Delivery {
    let mut delivery = Delivery { place, delivered: vec![], failed: None };
    let mut reports = Vec::with_capacity(rows.len());
    for row in &rows {
        match send(&producer, row).await {
            Ok(report) => reports.push((row.id, report)),
            // Nothing may overtake it.
            Err(error) => {
                delivery.failed = Some(error);
                break;
            }
        }
    }
    for (id, report) in reports {
        let error = match report.await {
            Ok(Ok(_)) => {
                delivery.delivered.push(id);
                continue;
            }
            Ok(Err((error, _))) => error,
            Err(_) => KafkaError::Canceled,
        };
        delivery.failed.get_or_insert(error);
    }
    delivery
}

/// Queues one row; where the client's queue is full, waits until it has room.
async fn send(
    producer: &FutureProducer<BrokerWatch>,
    row: &Row,
) -> Result<DeliveryFuture, KafkaError> {
    let mut record = FutureRecord::to(&row.topic)
        .partition(row.partition)
        .key(&row.record_key)
        .payload(&row.payload)
        .headers(owned_headers(&row.headers));
    loop {
        match producer.send_result(record) {
            Ok(report) => return Ok(report),
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                record = back;
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            }
            Err((error, _)) => return Err(error),
        }
    }
}

/// Whether the broker, or the client for it, will refuse the same event again.
pub(crate) fn is_refusal(error: &KafkaError) -> bool {
    use RDKafkaErrorCode as Code;
    matches!(
        error.rdkafka_error_code(),
        Some(
            Code::MessageSizeTooLarge
                | Code::MessageBatchTooLarge
                | Code::InvalidMessage
                | Code::InvalidRecord
                | Code::InvalidTopic
                | Code::PolicyViolation
                | Code::TopicAuthorizationFailed
                | Code::ClusterAuthorizationFailed
        )
    )
}

fn owned_headers(headers: &Value) -> OwnedHeaders {
    let pairs: Vec<(String, String)> = serde_json::from_value(headers.clone()).unwrap_or_default();
    pairs.iter().fold(OwnedHeaders::new_with_capacity(pairs.len()), |all, (key, value)| {
        all.insert(Header { key, value: Some(value) })
    })
}
