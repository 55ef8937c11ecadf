//! What the tests of a projection need: a database of its own, and batches by hand.

use events_schema::{Event, Timestamp};
use sqlx::PgPool;
use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use crate::{Batch, Delivered, Offset, Partition, Projection, Source, StoreError, migrate};

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
        .connect_with(chassis::postgres::session(options, P::NAME))
        .await
        .expect("the test's database");
    // The schema's name is a constant of ours, quoted because it may hold a hyphen.
    let create = format!("CREATE SCHEMA IF NOT EXISTS \"{}\"", P::NAME);
    sqlx::raw_sql(sqlx::AssertSqlSafe(create)).execute(&pool).await.expect("the schema");
    migrate(&pool, own).await.expect("the migrations");
    pool
}

/// A batch of these events, each at the next offset of its topic's partition 0.
pub fn batch(first_offset: i64, events: impl IntoIterator<Item = Event>) -> Batch {
    let place = |(offset, event): (i64, Event)| Delivered {
        source: Source {
            topic: event.event_type().topic(),
            partition: Partition(0),
            offset: Offset(offset),
        },
        recorded_at: event.occurred_at(),
        event,
    };
    let decided_at = Timestamp::from_micros(1_767_225_600_000_000);
    Batch { decided_at, records: (first_offset..).zip(events).map(place).collect() }
}

/// Loads, decides and saves a batch in one transaction, as the runtime does, without positions.
///
/// # Errors
/// What the projection's store answers.
pub async fn apply<P: Projection>(
    pool: &PgPool,
    batch: &Batch,
) -> Result<crate::Decision<P::Change>, StoreError> {
    let mut transaction = pool.begin().await?;
    let state = P::load(&mut transaction, batch).await?;
    let decision = P::decide(state, batch);
    P::save(&mut transaction, &decision.changes).await?;
    transaction.commit().await?;
    Ok(decision)
}
