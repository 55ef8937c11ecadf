//! The boundary: what a consumer is, and what the runtime hands it. Runs nothing.

use std::borrow::Cow;

use events_schema::{Event, EventId, EventType, Timestamp, Topic};
use sqlx::PgConnection;

use crate::error::StoreError;
use crate::partition::Source;

/// A consumer: three functions. The runtime takes care of polling, batching, decoding, positions,
/// the transaction, parking, publishing, rebalances, retries, health, metrics and shutdown.
pub trait Projection: Send + Sync + 'static {
    /// Consumer group, Postgres schema, metric label and log field.
    const NAME: &'static str;
    /// What it reads.
    const TOPICS: &'static [Topic];
    /// The event types that change it. The others count as applied without being decoded.
    const EVENTS: &'static [EventType];
    /// The event types that follow from its decisions.
    const PUBLISHES: &'static [EventType] = &[];
    /// What `decide` needs to know of what the projection already holds.
    type State: Send;
    /// What is to be written.
    type Change: Send + Sync;

    /// Reads, with one statement per table, what the batch needs; locks what will be written, in
    /// key order. The connection is inside the runtime's transaction.
    ///
    /// # Errors
    /// What the database answered.
    fn load(
        conn: &mut PgConnection,
        batch: &Batch<'_>,
    ) -> impl Future<Output = Result<Self::State, StoreError>> + Send;

    /// What `load` reads, for a dry run: locks nothing and writes nothing, in a transaction that may
    /// not. A `load` that only reads serves both.
    ///
    /// # Errors
    /// What the database answered.
    fn look(
        conn: &mut PgConnection,
        batch: &Batch<'_>,
    ) -> impl Future<Output = Result<Self::State, StoreError>> + Send {
        Self::load(conn, batch)
    }

    /// Decides every record of the batch, in order. Pure: no clock, no ids, no logger; a bad record
    /// is a rejection of its own and cannot fail its neighbours.
    fn decide(state: Self::State, batch: &Batch<'_>) -> Decision<Self::Change>;

    /// Writes the changes, with one statement per table: last what other workers write as well, so
    /// that nobody waits for long.
    ///
    /// # Errors
    /// What the database answered; [`StoreError::Overtaken`] where it was decided by rows that `load`
    /// did not lock, and another batch changed them so that it cannot stand.
    fn save(
        conn: &mut PgConnection,
        changes: &[Self::Change],
    ) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// Records to be decided together.
#[derive(Debug, Clone)]
pub struct Batch<'a> {
    /// When the runtime took the batch up: the time of what is decided in it.
    pub decided_at: Timestamp,
    /// In the order of the log, per partition.
    pub records: Vec<Delivered<'a>>,
}

/// One record, decoded.
#[derive(Debug, Clone)]
pub struct Delivered<'a> {
    /// Where it stands in the log.
    pub source: Source,
    /// The record's time: by the clock of whoever wrote it.
    pub recorded_at: Timestamp,
    /// What happened. Borrowed from the record; a test's batch owns it.
    pub event: Cow<'a, Event>,
}

/// What `decide` made of a batch.
#[derive(Debug)]
pub struct Decision<C> {
    /// What is to be written, in order.
    pub changes: Vec<C>,
    /// Events to be published after the commit, in order.
    pub follow_ups: Vec<FollowUp>,
    /// Records that say what is known already.
    pub duplicates: Vec<Source>,
    /// Records that ask for what a rule of the domain does not allow. They cost their sender, and
    /// nobody else: they never park. What the sender is to see of one, a change says.
    pub refusals: Vec<Refusal>,
    /// Records that break an invariant: they park.
    pub rejections: Vec<Rejection>,
}

/// An event that follows from a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FollowUp {
    /// The record that caused it: it is published to the same partition, so that it stands behind
    /// its cause in the log.
    pub cause: Source,
    /// What happened.
    pub event: Event,
}

/// A record that asks for what a rule of the domain does not allow, as anybody may ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    /// Which record.
    pub source: Source,
    /// Which rule, in a word that an operator can group by.
    pub cause: &'static str,
}

/// A record that breaks an invariant, as none of the APIs writes it. The later events of its
/// subject park behind it: applied without it they would mean something else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// Which record.
    pub source: Source,
    /// Which invariant, in a word that an operator can group by.
    pub cause: &'static str,
    /// The particulars; no personal data.
    pub detail: String,
}

impl<C> Default for Decision<C> {
    fn default() -> Self {
        Self {
            changes: vec![],
            follow_ups: vec![],
            duplicates: vec![],
            refusals: vec![],
            rejections: vec![],
        }
    }
}

impl Batch<'_> {
    /// The ids of the batch's events, in order.
    pub fn event_ids(&self) -> Vec<EventId> {
        self.records.iter().map(|record| record.event.event_id()).collect()
    }
}
