//! The glue between the runtime and this consumer. Neither decides nor writes SQL.

use events_schema::{EventType, Topic};
use runtime::{Batch, Decision, Projection, StoreError};
use sqlx::PgConnection;
use sqlx::migrate::Migrator;

use crate::decide::{self, Changes, State};
use crate::store;

/// The tables, beside the runtime's own.
pub static MIGRATIONS: Migrator = sqlx::migrate!();

/// What makes them, and who may do what with them.
pub static TABLES: runtime::Tables =
    runtime::Tables { migrations: &MIGRATIONS, grants: include_str!("../grants.sql") };

/// Sales, funnel and customers.
#[derive(Debug)]
pub struct Analytics;

impl Projection for Analytics {
    const NAME: &'static str = "analytics";
    const TOPICS: &'static [Topic] = &[Topic::Orders, Topic::Products];
    const EVENTS: &'static [EventType] = &[
        EventType::OrderPlaced,
        EventType::OrderCancelRequested,
        EventType::OrderConfirmed,
        EventType::OrderRejected,
        EventType::OrderCancelled,
        EventType::ProductUpserted,
        EventType::ProductDelisted,
    ];
    type State = State;
    type Change = Changes;

    async fn load(conn: &mut PgConnection, batch: &Batch<'_>) -> Result<State, StoreError> {
        store::load(conn, batch).await
    }

    async fn look(conn: &mut PgConnection, batch: &Batch<'_>) -> Result<State, StoreError> {
        store::look(conn, batch).await
    }

    fn decide(state: State, batch: &Batch<'_>) -> Decision<Changes> {
        decide::decide(state, batch)
    }

    async fn save(conn: &mut PgConnection, changes: &[Changes]) -> Result<(), StoreError> {
        for changes in changes {
            store::save(conn, changes).await?;
        }
        Ok(())
    }
}
