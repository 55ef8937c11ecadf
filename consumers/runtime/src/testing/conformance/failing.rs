//! A projection that fails when everything is written, as if the connection broke before the commit.

use std::marker::PhantomData;

use events_schema::{EventType, Topic};
use sqlx::PgConnection;

use crate::error::StoreError;
use crate::projection::{Batch, Decision, Projection};

pub(super) struct FailsWhenWritten<P>(PhantomData<fn() -> P>);

impl<P: Projection> Projection for FailsWhenWritten<P> {
    const NAME: &'static str = P::NAME;
    const TOPICS: &'static [Topic] = P::TOPICS;
    const EVENTS: &'static [EventType] = P::EVENTS;
    const PUBLISHES: &'static [EventType] = P::PUBLISHES;
    type State = P::State;
    /// All of them as one: a batch without a change is saved, and fails, too.
    type Change = Vec<P::Change>;

    async fn load(conn: &mut PgConnection, batch: &Batch<'_>) -> Result<Self::State, StoreError> {
        P::load(conn, batch).await
    }

    fn decide(state: Self::State, batch: &Batch<'_>) -> Decision<Self::Change> {
        let Decision { changes, follow_ups, duplicates, refusals, rejections } =
            P::decide(state, batch);
        Decision { changes: vec![changes], follow_ups, duplicates, refusals, rejections }
    }

    async fn save(conn: &mut PgConnection, changes: &[Self::Change]) -> Result<(), StoreError> {
        for changes in changes.iter().filter(|changes| !changes.is_empty()) {
            P::save(conn, changes).await?;
        }
        Err(StoreError::Broken("as a test asks for".to_owned()))
    }
}
