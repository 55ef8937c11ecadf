//! Events that follow from a batch become rows of the outbox, in its transaction. Publishes none.

use std::borrow::Cow;
use std::collections::HashMap;

use events_schema::envelope;
use events_schema::wire::EncodeError;
use serde_json::Value;
use sqlx::PgConnection;

use crate::batch::apply_context::ApplyContext;
use crate::error::StoreError;
use crate::partition::Source;
use crate::projection::FollowUp;
use crate::record::Record;

/// Writes the rows, in order. An event belongs to the trace of the record that caused it.
pub(crate) async fn save(
    conn: &mut PgConnection,
    context: &ApplyContext<'_>,
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
        let pushed = rows.push(context, follow_up, trace);
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
        context: &'a ApplyContext<'_>,
        follow_up: &'a FollowUp,
        traceparent: Option<&str>,
    ) -> Result<(), EncodeError> {
        let event = &follow_up.event;
        self.payloads.push(context.encoder.encode(event, Vec::new())?);
        self.topics.push(context.names.name(event.event_type().topic()));
        self.partitions.push(follow_up.cause.partition.0);
        self.keys.push(event.key());
        let pair = |(name, value): (&'static str, Cow<'_, str>)| Value::from(vec![name, &value]);
        let headers = envelope::headers(event, context.source, traceparent);
        self.headers.push(headers.into_iter().map(pair).collect());
        Ok(())
    }
}
