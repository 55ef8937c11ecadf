//! The consumer's boundary: which events it reads, and where each step is done. Only glue.

use events_schema::{EventType, Topic};
use runtime::{Batch, Decision, Projection, StoreError};
use sqlx::PgConnection;
use sqlx::migrate::Migrator;

use crate::decide::{self, Change, Known};
use crate::store;

/// The tables of this consumer.
pub static MIGRATIONS: Migrator = sqlx::migrate!("./migrations");

/// What makes them, and who may do what with them.
pub static TABLES: runtime::Tables =
    runtime::Tables { migrations: &MIGRATIONS, grants: include_str!("../grants.sql") };

/// One mail per outcome of an order.
pub struct ConfirmationEmail;

impl Projection for ConfirmationEmail {
    const NAME: &'static str = "confirmation-email";
    const TOPICS: &'static [Topic] = &[Topic::Orders, Topic::Products];
    const EVENTS: &'static [EventType] = &[
        EventType::OrderPlaced,
        EventType::OrderConfirmed,
        EventType::OrderRejected,
        EventType::OrderCancelled,
        EventType::ProductUpserted,
        EventType::ProductDelisted,
    ];
    type State = Known;
    type Change = Change;

    async fn load(conn: &mut PgConnection, batch: &Batch<'_>) -> Result<Known, StoreError> {
        store::load(conn, batch).await
    }

    fn decide(known: Known, batch: &Batch<'_>) -> Decision<Change> {
        decide::decide(known, batch)
    }

    async fn save(conn: &mut PgConnection, changes: &[Change]) -> Result<(), StoreError> {
        store::save(conn, changes).await
    }
}
