//! Inventory as the runtime sees it. Glue only: `decide` decides, `store` reads and writes.

use events_schema::{EventType, Topic};
use runtime::{Batch, Decision, Projection, StoreError};
use sqlx::PgConnection;

use crate::decide::{self, Change, State};
use crate::store;

/// The stock on the shelf and the outcome of every order.
pub struct Inventory;

impl Projection for Inventory {
    const NAME: &'static str = "inventory";
    const TOPICS: &'static [Topic] = &[Topic::Orders, Topic::Products, Topic::Stock];
    const EVENTS: &'static [EventType] = &[
        EventType::OrderPlaced,
        EventType::OrderCancelRequested,
        EventType::OrderConfirmed,
        EventType::OrderRejected,
        EventType::OrderCancelled,
        EventType::ProductUpserted,
        EventType::ProductDelisted,
        EventType::StockReceived,
    ];
    const PUBLISHES: &'static [EventType] =
        &[EventType::OrderConfirmed, EventType::OrderRejected, EventType::OrderCancelled];
    type State = State;
    type Change = Change;

    async fn load(conn: &mut PgConnection, batch: &Batch<'_>) -> Result<State, StoreError> {
        store::load(conn, batch).await
    }

    async fn look(conn: &mut PgConnection, batch: &Batch<'_>) -> Result<State, StoreError> {
        store::look(conn, batch).await
    }

    fn decide(state: State, batch: &Batch<'_>) -> Decision<Change> {
        decide::decide(state, batch)
    }

    async fn save(conn: &mut PgConnection, changes: &[Change]) -> Result<(), StoreError> {
        store::save(conn, changes).await
    }
}
