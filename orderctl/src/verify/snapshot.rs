//! What a projection says of itself: positions, parked records, outbox. Reads no log.

use std::collections::{HashMap, HashSet};

use anyhow::Context;
use events_schema::wire::SchemaId;
use events_schema::{RecordPosition, Topic};
use schema_registry::RegistryError;
use sqlx::{AssertSqlSafe, Connection, PgConnection, Postgres, Transaction};

use super::parked::{Parked, State};
use super::projection::Projection;
use super::story::Stand;
use crate::database::answered;
use crate::decoding::Decoding;
use crate::exit::Gap;
use crate::log::LogReader;

/// One snapshot for everything that is read in it, however long that takes.
pub(super) async fn begin(admin: &mut PgConnection) -> anyhow::Result<Transaction<'_, Postgres>> {
    let mut snapshot = answered(admin.begin()).await?;
    let settings = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY;
        SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0";
    answered(sqlx::raw_sql(settings).execute(&mut *snapshot)).await?;
    Ok(snapshot)
}

/// As it is stored.
pub(super) struct Stored {
    stand: Stand,
    outbox: Vec<Vec<u8>>,
}

/// Where anything is parked now. Of one moment for each projection, so that the log can be read
/// before there is a snapshot.
pub(super) async fn parked(
    admin: &mut PgConnection,
    projections: &[Projection],
    name: impl Fn(&str) -> String,
) -> anyhow::Result<HashSet<RecordPosition>> {
    let mut places = HashSet::new();
    for projection in projections {
        let names = names(*projection, &name);
        let what = "topic, partition, record_offset FROM";
        for table in ["parked", PURGED] {
            let parked: Vec<(String, i32, i64)> = rows(admin, *projection, what, table)
                .await
                .with_context(|| unreadable(*projection))?;
            places.extend(parked.into_iter().filter_map(|(topic, partition, offset)| {
                Some(RecordPosition { topic: *names.get(&topic)?, partition, offset })
            }));
        }
    }
    Ok(places)
}

fn unreadable(projection: Projection) -> String {
    let name = projection.name();
    format!("could not read schema {name}; has `{name} migrate` been run?")
}

/// Reads what the projection says, and holds the topics' ids against the broker's.
pub(super) async fn read(
    snapshot: &mut PgConnection,
    projection: Projection,
    reader: &LogReader,
) -> anyhow::Result<Stored> {
    let names = names(projection, |topic| reader.name(topic));
    let (stored, ids) = stored(snapshot, projection, &names).await?;
    let known = reader.topic_ids(&names.keys().cloned().collect::<Vec<_>>())?;
    for (name, id) in &ids {
        same_topic(projection, name, id, known.get(name).map(String::as_str))?;
    }
    Ok(stored)
}

pub(super) fn names(
    projection: Projection,
    name: impl Fn(&str) -> String,
) -> HashMap<String, Topic> {
    projection.topics().iter().map(|topic| (name(topic.name()), *topic)).collect()
}

/// A topic that was deleted and made again has another id: its offsets mean other records.
pub(super) fn same_topic(
    projection: Projection,
    name: &str,
    stored: &str,
    known: Option<&str>,
) -> Result<(), Gap> {
    match known {
        Some(known) if known == stored => Ok(()),
        known => Err(Gap(format!(
            "{} stands in another topic {name}: its id was {stored} and is {}",
            projection.name(),
            known.unwrap_or("not known")
        ))),
    }
}

type Ids = Vec<(String, String)>;

pub(super) async fn stored(
    snapshot: &mut PgConnection,
    projection: Projection,
    names: &HashMap<String, Topic>,
) -> anyhow::Result<(Stored, Ids)> {
    let context = || unreadable(projection);
    let positions: Vec<(String, i32, String, i64)> =
        rows(snapshot, projection, "topic, partition, topic_id, next_offset FROM", "positions")
            .await
            .with_context(context)?;
    let mut parked: Vec<ParkedRow> =
        rows(snapshot, projection, ParkedRow::PURGED, PURGED).await.with_context(context)?;
    // Last: a record that parked again is what it is now.
    parked.extend(
        rows::<ParkedRow>(snapshot, projection, ParkedRow::COLUMNS, "parked")
            .await
            .with_context(context)?,
    );
    let outbox: Vec<(Vec<u8>,)> =
        rows(snapshot, projection, "payload FROM", "outbox").await.with_context(context)?;

    let redriven: Vec<(String, String, i64)> =
        rows(snapshot, projection, "topic, subject, min(parked_id) FROM", REDRIVEN)
            .await
            .with_context(context)?;

    let mut stand = Stand::default();
    if projection == Projection::Inventory {
        let refused: Vec<(uuid::Uuid,)> =
            rows(snapshot, projection, "event_id FROM", "stock_receipts WHERE delta = 0")
                .await
                .with_context(context)?;
        stand.refused = refused.into_iter().map(|row| row.0.into()).collect();
    }
    let mut by_partition = HashMap::new();
    for (topic, partition, id, next) in positions {
        if let Some(known) = names.get(&topic) {
            stand.positions.insert((*known, partition), next);
            by_partition.insert((*known, partition), (topic, id));
        }
    }
    for (topic, subject, id) in redriven {
        if let Some(topic) = names.get(&topic) {
            stand.went_before(*topic, subject, id);
        }
    }
    for row in parked {
        let Some(topic) = names.get(&row.topic).copied() else {
            stand.strays.push(row.topic);
            continue;
        };
        let position = by_partition.get(&(topic, row.partition));
        // A row without an id had no position when ids came.
        if row.topic_id.is_empty() || position.is_none_or(|(_, id)| *id == row.topic_id) {
            stand.parked.insert(row.place(topic), row.parked());
            continue;
        }
        stand.former += 1;
        if let Some(subject) = row.subject {
            stand.went_before(topic, subject, row.id);
        }
    }
    let mut ids: Ids = by_partition.into_values().collect();
    ids.sort_unstable();
    ids.dedup();
    Ok((Stored { stand, outbox: outbox.into_iter().map(|row| row.0).collect() }, ids))
}

/// What was parked and has been applied since.
const REDRIVEN: &str = "audit WHERE action = 'redriven' AND subject IS NOT NULL GROUP BY 1, 2";

/// What was discarded and has left the table since.
const PURGED: &str = "audit WHERE action = 'purged'";

#[derive(sqlx::FromRow)]
struct ParkedRow {
    id: i64,
    topic: String,
    topic_id: String,
    partition: i32,
    record_offset: i64,
    subject: Option<String>,
    cause: String,
    state: String,
    redrives_failed: i32,
    record_key: Option<Vec<u8>>,
    payload: Option<Vec<u8>>,
}

impl ParkedRow {
    const COLUMNS: &str = "id, topic, topic_id, partition, record_offset, subject, cause, \
        state, redrives_failed, record_key, payload FROM";
    /// The same of a row that was purged: discarded, whatever it held.
    const PURGED: &str = "parked_id AS id, topic, detail ->> 'topic_id' AS topic_id, partition, \
        record_offset, subject, '' AS cause, 'discarded' AS state, 0 AS redrives_failed, \
        NULL::bytea AS record_key, NULL::bytea AS payload FROM";

    fn place(&self, topic: Topic) -> RecordPosition {
        RecordPosition { topic, partition: self.partition, offset: self.record_offset }
    }

    fn parked(self) -> Parked {
        Parked {
            id: self.id,
            cause: self.cause,
            state: State::named(&self.state),
            tried_again: self.redrives_failed > 0,
            key: self.record_key,
            payload: self.payload,
        }
    }
}

/// The schema's name is a constant of ours, quoted because it may hold a hyphen.
async fn rows<T>(
    snapshot: &mut PgConnection,
    projection: Projection,
    what: &str,
    table: &str,
) -> Result<Vec<T>, sqlx::Error>
where
    T: for<'r> sqlx::FromRow<'r, sqlx::postgres::PgRow> + Send + Unpin,
{
    let sql = format!("SELECT {what} \"{}\".{table}", projection.name());
    answered(sqlx::query_as(AssertSqlSafe(sql)).fetch_all(snapshot)).await
}

impl Stored {
    /// With the events of the outbox. One that cannot be decoded explains no row.
    pub(super) fn decode<A: Fn(SchemaId) -> Result<String, RegistryError>>(
        self,
        decoding: &mut Decoding<A>,
    ) -> Result<Stand, RegistryError> {
        let mut stand = self.stand;
        for payload in self.outbox {
            let Ok(event) = decoding.value(&payload)? else { continue };
            if let Some(order_id) = event.order_id() {
                stand.outbox.entry(order_id).or_default().push(event);
            }
        }
        Ok(stand)
    }
}
