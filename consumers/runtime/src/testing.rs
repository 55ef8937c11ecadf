//! What the tests of a projection need: a database of its own, and batches by hand.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use events_schema::envelope::Envelope;
use events_schema::wire::Encoder;
use events_schema::{Event, Timestamp};
use postgres_client::{Pinned, Plans, session};
use sqlx::PgPool;
use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use crate::batch::apply_batch::{ApplyError, apply_batch};
use crate::batch::apply_context::ApplyContext;
use crate::batch::decide_batch::Outcomes;
use crate::batch::partition_breaker::PartitionBreakers;
use crate::ownership::owned_partitions::OwnedPartitions;
use crate::ownership::positions::{self, TakenPosition};
use crate::partition::{Epoch, TopicPartition};
use crate::raw_headers::RawHeaders;
use crate::record::{Content, RawRecord, Record};
use crate::settings::ParkedLimits;
use crate::topic_names::TopicNames;
use crate::{Batch, Delivered, Offset, Partition, Projection, Source, StoreError, migrate};

pub mod conformance;
#[cfg(test)]
pub(crate) mod shelf;

/// Counts the rows of the schema's tables that the session has read: what a transaction read is what it
/// counts more at its end.
pub const ROWS_READ: &str =
    "SELECT coalesce(sum(seq_tup_read + coalesce(idx_tup_fetch, 0)), 0)::bigint
     FROM pg_stat_xact_user_tables WHERE schemaname = current_schema()";

/// A pool on the test's own database, with the projection's schema migrated, as the service would
/// find it. Takes what `#[sqlx::test]` hands out.
///
/// # Panics
/// When the database cannot be prepared.
#[expect(clippy::expect_used, reason = "a test that cannot start has failed")]
pub async fn database<P: Projection>(
    pool: PgPoolOptions,
    options: PgConnectOptions,
    own: &Migrator,
) -> PgPool {
    let pool = pool
        .max_connections(5)
        .connect_with(session(options, P::NAME, Plans::Once))
        .await
        .expect("the test's database");
    // The schema's name is a constant of ours, quoted because it may hold a hyphen.
    let create = format!("CREATE SCHEMA IF NOT EXISTS \"{}\"", P::NAME);
    sqlx::raw_sql(sqlx::AssertSqlSafe(create)).execute(&pool).await.expect("the schema");
    migrate(&pool, own).await.expect("the migrations");
    pool
}

/// A batch of these events, each at the next offset of its topic's partition 0.
pub fn batch(first_offset: i64, events: impl IntoIterator<Item = Event>) -> Batch<'static> {
    let place = |(offset, event): (i64, Event)| Delivered {
        source: Source {
            topic: event.event_type().topic(),
            partition: Partition(0),
            offset: Offset(offset),
        },
        recorded_at: event.occurred_at(),
        event: Cow::Owned(event),
    };
    let decided_at = Timestamp::from_micros(1_767_225_600_000_000);
    Batch { decided_at, records: (first_offset..).zip(events).map(place).collect() }
}

/// Loads, decides and saves a batch in one transaction, as the runtime does, without positions; and
/// again where another batch came in between.
///
/// # Errors
/// What the projection's store answers.
pub async fn apply<P: Projection>(
    pool: &PgPool,
    batch: &Batch<'_>,
) -> Result<crate::Decision<P::Change>, StoreError> {
    loop {
        let mut transaction = pool.begin().await?;
        let state = P::load(&mut transaction, batch).await?;
        let decision = P::decide(state, batch);
        match P::save(&mut transaction, &decision.changes).await {
            Err(StoreError::Overtaken) => transaction.rollback().await?,
            saved => {
                saved?;
                transaction.commit().await?;
                return Ok(decision);
            }
        }
    }
}

/// How many rows of the projection's tables it reads to apply this batch.
///
/// # Errors
/// What the projection's store answers.
pub async fn rows_read<P: Projection>(pool: &PgPool, batch: &Batch<'_>) -> Result<i64, StoreError> {
    let mut transaction = pool.begin().await?;
    let before: i64 = sqlx::query_scalar(ROWS_READ).fetch_one(&mut *transaction).await?;
    let state = P::load(&mut transaction, batch).await?;
    P::save(&mut transaction, &P::decide(state, batch).changes).await?;
    let after: i64 = sqlx::query_scalar(ROWS_READ).fetch_one(&mut *transaction).await?;
    transaction.commit().await?;
    Ok(after - before)
}

/// Applies these events, the next of each topic's partition 0, as a worker does: with positions,
/// parking and outbox.
///
/// # Errors
/// What the projection's store answers.
pub async fn deliver<P: Projection>(
    pool: &PgPool,
    events: impl IntoIterator<Item = Event>,
) -> Result<(), StoreError> {
    let names = TopicNames::unprefixed();
    let keys: Vec<TopicPartition> =
        P::TOPICS.iter().map(|topic| TopicPartition::new(*topic, 0)).collect();
    let taken = positions::take(pool, &names, &[].into(), &keys).await?;
    let mut ends: HashMap<_, _> =
        taken.into_iter().map(|taken| (taken.key.topic, taken.start.next)).collect();
    let place = |event: Event| {
        let topic = event.event_type().topic();
        let end = ends.entry(topic).or_insert(Offset(0));
        let source = Source { topic, partition: Partition(0), offset: *end };
        *end = end.next();
        record(source, event)
    };
    let records: Vec<Record> = events.into_iter().map(place).collect();
    apply_records::<P>(pool, &records).await.map(drop).map_err(|failed| match failed {
        ApplyError::Store(error) => error,
        ApplyError::Stop(stops) => StoreError::Broken(format!("{stops:?}")),
    })
}

/// Applies these records in one transaction, as a worker does that has just taken their partitions.
pub(crate) async fn apply_records<P: Projection>(
    pool: &PgPool,
    records: &[Record],
) -> Result<Outcomes, ApplyError> {
    let names = TopicNames::unprefixed();
    let encoder = Encoder::new(P::PUBLISHES.iter().copied().zip(1..));
    let keys: HashSet<TopicPartition> =
        records.iter().map(|record| record.source.topic_partition()).collect();
    let keys: Vec<TopicPartition> = keys.into_iter().collect();
    let mut owned = OwnedPartitions::default();
    for TakenPosition { key, start, .. } in positions::take(pool, &names, &[].into(), &keys).await?
    {
        owned.take(key, start);
    }
    let moves = owned.moves(records);
    let mut breakers = PartitionBreakers::new(usize::MAX);
    let limits = ParkedLimits { per_subject: u32::MAX, total: u32::MAX };
    let context = ApplyContext { names: &names, encoder: &encoder, source: "/test", limits };
    let mut connection = Pinned::new(pool.clone());
    let applied = apply_batch::<P>(&mut connection, &context, &moves, &mut breakers, records).await;
    applied.map_err(|failed| failed.why)
}

/// The record of an event, as it would have been fetched and decoded.
pub(crate) fn record(source: Source, event: Event) -> Record {
    let (subject, recorded_at) = (Some(event.subject()), event.occurred_at());
    Record {
        source,
        epoch: Epoch(1),
        recorded_at,
        envelope: Envelope { subject, ..Envelope::default() },
        raw: RawRecord { key: None, payload: Some(vec![1, 2, 3]), headers: RawHeaders::default() },
        content: Content::Event(event),
        held_bytes: Default::default(),
    }
}
