//! The smallest projection there is, for the runtime's own tests, and events for it.

use events_schema::wire::Encoder;
use events_schema::{Event, EventId, EventType, StockDelta, StockReceived, Timestamp, Topic};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use super::database;
use crate::error::StoreError;
use crate::partition::{Partition, Source};
use crate::projection::{Batch, Decision, Delivered, Projection, Refusal, Rejection};

/// Deltas that make `decide` break its contract.
pub(crate) const BLAMES_ANOTHER: i64 = 1001;
pub(crate) const COUNTS_TWICE: i64 = 1002;
/// A delta that `save` says of, each time, that another batch came in between.
pub(crate) const ALWAYS_OVERTAKEN: i64 = 1003;

/// Keeps every stock delta once; rejects 13, and refuses -13 by its rules. The database refuses 99.
pub(crate) struct Shelf;

impl Projection for Shelf {
    const NAME: &'static str = "shelf";
    const TOPICS: &'static [Topic] = &[Topic::Stock];
    const EVENTS: &'static [EventType] = &[EventType::StockReceived];
    type State = Vec<Uuid>;
    type Change = (Uuid, i32);

    async fn load(conn: &mut PgConnection, batch: &Batch<'_>) -> Result<Self::State, StoreError> {
        // As inventory opens its shelves: a load that writes.
        let seen = i32::try_from(batch.records.len()).unwrap();
        sqlx::query("INSERT INTO loads VALUES ($1)").bind(seen).execute(&mut *conn).await?;
        Self::look(conn, batch).await
    }

    async fn look(conn: &mut PgConnection, batch: &Batch<'_>) -> Result<Self::State, StoreError> {
        let ids: Vec<Uuid> = batch.event_ids().into_iter().map(EventId::uuid).collect();
        let known = sqlx::query_scalar("SELECT event_id FROM deltas WHERE event_id = ANY($1)");
        Ok(known.bind(ids).fetch_all(conn).await?)
    }

    fn decide(known: Self::State, batch: &Batch<'_>) -> Decision<Self::Change> {
        let mut decision = Decision::default();
        for Delivered { source, event, .. } in &batch.records {
            let Event::StockReceived(received) = &**event else { continue };
            if known.contains(&received.event_id.uuid()) {
                decision.duplicates.push(*source);
            } else if received.delta.get() == BLAMES_ANOTHER as i32 {
                let source = Source { partition: Partition(77), ..*source };
                let (cause, detail) = ("blames", String::new());
                decision.rejections.push(Rejection { source, cause, detail });
            } else if received.delta.get() == COUNTS_TWICE as i32 {
                decision.duplicates.extend([*source, *source]);
            } else if received.delta.get() == 13 {
                let (cause, detail) = ("unlucky", "13 is not kept".to_owned());
                decision.rejections.push(Rejection { source: *source, cause, detail });
            } else if received.delta.get() == -13 {
                decision.refusals.push(Refusal { source: *source, cause: "too-unlucky" });
            } else {
                decision.changes.push((received.event_id.uuid(), received.delta.get()));
            }
        }
        decision
    }

    async fn save(conn: &mut PgConnection, changes: &[Self::Change]) -> Result<(), StoreError> {
        let (ids, deltas): (Vec<Uuid>, Vec<i32>) = changes.iter().copied().unzip();
        if deltas.contains(&(ALWAYS_OVERTAKEN as i32)) {
            return Err(StoreError::Overtaken);
        }
        let insert = "INSERT INTO deltas SELECT * FROM unnest($1::uuid[], $2::int[])";
        sqlx::query(insert).bind(ids).bind(deltas).execute(conn).await?;
        Ok(())
    }
}

/// The shelf's tables in the test's own database.
pub(crate) async fn shelf(pool: PgPoolOptions, options: PgConnectOptions) -> PgPool {
    let none = sqlx::migrate::Migrator::with_migrations(vec![]);
    let pool = database::<Shelf>(pool, options, &none).await;
    let tables = "CREATE TABLE deltas (event_id uuid PRIMARY KEY, delta int CHECK (delta <> 99));
                  CREATE TABLE loads (records int)";
    sqlx::raw_sql(tables).execute(&pool).await.unwrap();
    pool
}

/// The stock record of that number.
pub(crate) fn received(number: i64, sku: &str, delta: i64) -> Event {
    StockReceived {
        event_id: Uuid::from_u128(number.unsigned_abs().into()).into(),
        sku: sku.parse().unwrap(),
        delta: StockDelta::try_from(delta).unwrap(),
        received_at: Timestamp::from_micros(0),
    }
    .into()
}

/// The value of that record, under schema id 1.
pub(crate) fn value(number: i64, sku: &str, delta: i64) -> Vec<u8> {
    let encoder = Encoder::new([(EventType::StockReceived, 1)]);
    encoder.encode(&received(number, sku, delta), Vec::new()).unwrap()
}
