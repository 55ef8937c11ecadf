//! Events that follow from a batch and wait as rows: how they are published and removed. When, and
//! which partitions', is not decided here.

use std::collections::BTreeMap;

use rdkafka::error::KafkaError;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{DeliveryFuture, FutureProducer, FutureRecord};
use rdkafka::types::RDKafkaErrorCode;
use serde_json::Value;
use sqlx::PgConnection;

use crate::broker_watch::BrokerWatch;
use crate::error::StoreError;
use crate::partition::TopicPartition;
use crate::topic_names::TopicNames;

/// Rows of a partition that are published at once.
pub(crate) const ROWS_MAX: i64 = 500;

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
    conn: &mut PgConnection,
    names: &TopicNames,
    partitions: &[TopicPartition],
) -> Result<BTreeMap<TopicPartition, Vec<Row>>, StoreError> {
    let (topics, numbers): (Vec<&str>, Vec<i32>) =
        partitions.iter().map(|key| (names.name(key.topic), key.number())).unzip();
    let oldest = sqlx::query_as(
        "SELECT rows.* FROM unnest($1::text[], $2::int[]) AS held (topic, partition)
         CROSS JOIN LATERAL (
             SELECT id, topic, partition, record_key, payload, headers FROM outbox
             WHERE outbox.topic = held.topic AND outbox.partition = held.partition
             ORDER BY id LIMIT $3) AS rows
         ORDER BY id",
    )
    .bind(&topics)
    .bind(&numbers)
    .bind(ROWS_MAX);
    let rows: Vec<Row> = oldest.fetch_all(conn).await?;
    let mut by_partition = BTreeMap::<TopicPartition, Vec<Row>>::new();
    for row in rows {
        let Some(topic) = names.topic(&row.topic) else { continue };
        by_partition.entry(TopicPartition::new(topic, row.partition)).or_default().push(row);
    }
    Ok(by_partition)
}

/// Removes what is published.
pub(crate) async fn remove(conn: &mut PgConnection, ids: &[i64]) -> Result<(), StoreError> {
    let published = sqlx::query("DELETE FROM outbox WHERE id = ANY($1)").bind(ids);
    Ok(published.execute(conn).await.map(drop)?)
}

/// What became of the rows of one partition.
#[derive(Debug)]
pub(crate) struct Delivery {
    pub key: TopicPartition,
    /// Replicated: to be removed.
    pub delivered: Vec<i64>,
    /// Why not all of them are.
    pub failed: Option<KafkaError>,
}

/// Publishes rows of one partition and waits until every one is replicated, or refused.
pub(crate) async fn deliver(
    producer: FutureProducer<BrokerWatch>,
    key: TopicPartition,
    rows: Vec<Row>,
) -> Delivery {
    let mut delivery = Delivery { key, delivered: vec![], failed: None };
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
