//! Events that follow from a batch: rows in its transaction, published after its commit by whoever
//! holds the partition that caused them. A crash in between can only repeat an event, under the
//! same id.

use std::borrow::Cow;
use std::collections::HashMap;

use events_schema::envelope;
use events_schema::wire::EncodeError;
use rdkafka::error::KafkaError;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::types::RDKafkaErrorCode;
use serde_json::Value;
use sqlx::{PgConnection, PgPool};

use crate::apply_batch::Bench;
use crate::error::StoreError;
use crate::projection::FollowUp;

/// Rows that are published at once.
const PUBLISH_ROWS_MAX: i64 = 1000;

/// Writes the rows, in order.
pub(crate) async fn save(
    conn: &mut PgConnection,
    bench: &Bench<'_>,
    follow_ups: &[FollowUp],
) -> Result<(), StoreError> {
    if follow_ups.is_empty() {
        return Ok(());
    }
    let mut rows = Rows::default();
    for follow_up in follow_ups {
        rows.push(bench, follow_up).map_err(|e| StoreError::Halt(sqlx::Error::Encode(e.into())))?;
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
    fn push(&mut self, bench: &'a Bench<'_>, follow_up: &'a FollowUp) -> Result<(), EncodeError> {
        let event = &follow_up.event;
        self.payloads.push(bench.encoder.encode(event, Vec::new())?);
        self.topics.push(bench.names.name(event.event_type().topic()));
        self.partitions.push(follow_up.cause.partition.0);
        self.keys.push(event.key());
        let pair = |(name, value): (&'static str, Cow<'_, str>)| Value::from(vec![name, &value]);
        self.headers
            .push(envelope::headers(event, bench.source, None).into_iter().map(pair).collect());
        Ok(())
    }
}

/// Publishes what waits in the outbox.
pub(crate) struct OutboxCourier {
    pub pool: PgPool,
    pub producer: FutureProducer<crate::group::BrokerWatch>,
}

/// What an attempt to publish came to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Published {
    Sent(usize),
    Empty,
}

/// Why an attempt failed; the rows stay.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PublishError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("could not publish an event")]
    Kafka(#[from] KafkaError),
}

type Row = (i64, String, i32, String, Vec<u8>, Value);

impl OutboxCourier {
    /// Publishes the oldest rows of these partitions, waits until every one is replicated, and
    /// removes them.
    pub(crate) async fn try_publish_next(
        &self,
        held: &[(String, i32)],
    ) -> Result<Published, PublishError> {
        let rows = self.oldest(held).await?;
        if rows.is_empty() {
            return Ok(Published::Empty);
        }
        let mut reports = Vec::with_capacity(rows.len());
        for row in &rows {
            reports.push(self.send(row).await?);
        }
        for report in reports {
            let delivered = report.await.map_err(|_| KafkaError::Canceled)?;
            delivered.map_err(|(error, _)| error)?;
        }
        let ids: Vec<i64> = rows.iter().map(|row| row.0).collect();
        let delete = sqlx::query("DELETE FROM outbox WHERE id = ANY($1)").bind(&ids);
        delete.execute(&self.pool).await.map_err(StoreError::from)?;
        Ok(Published::Sent(rows.len()))
    }

    async fn oldest(&self, held: &[(String, i32)]) -> Result<Vec<Row>, StoreError> {
        let (topics, partitions): (Vec<&str>, Vec<i32>) =
            held.iter().map(|(topic, partition)| (topic.as_str(), *partition)).unzip();
        let rows = sqlx::query_as(
            "SELECT id, topic, partition, record_key, payload, headers
             FROM outbox JOIN unnest($1::text[], $2::int[]) AS held (topic, partition)
                 USING (topic, partition)
             ORDER BY id LIMIT $3",
        )
        .bind(&topics)
        .bind(&partitions)
        .bind(PUBLISH_ROWS_MAX)
        .fetch_all(&self.pool)
        .await?;
        Ok(rows)
    }

    /// Queues one row; where the client's queue is full, waits until it has room.
    async fn send(
        &self,
        (_, topic, partition, key, payload, headers): &Row,
    ) -> Result<rdkafka::producer::DeliveryFuture, KafkaError> {
        let mut record = FutureRecord::to(topic)
            .partition(*partition)
            .key(key)
            .payload(payload)
            .headers(owned_headers(headers));
        loop {
            match self.producer.send_result(record) {
                Ok(report) => return Ok(report),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                    record = back;
                    tokio::time::sleep(std::time::Duration::from_millis(10)).await;
                }
                Err((error, _)) => return Err(error),
            }
        }
    }
}

fn owned_headers(headers: &Value) -> OwnedHeaders {
    let pairs: Vec<(String, String)> = serde_json::from_value(headers.clone()).unwrap_or_default();
    pairs.iter().fold(OwnedHeaders::new_with_capacity(pairs.len()), |all, (key, value)| {
        all.insert(Header { key, value: Some(value) })
    })
}

/// The partitions as the outbox names them.
pub(crate) fn held(
    names: &crate::topic_names::TopicNames,
    keys: impl Iterator<Item = crate::lanes::LaneKey>,
) -> Vec<(String, i32)> {
    let mut by_topic: HashMap<_, &str> = HashMap::new();
    keys.map(|(topic, partition)| {
        let name = by_topic.entry(topic).or_insert_with(|| names.name(topic));
        ((*name).to_owned(), partition)
    })
    .collect()
}
