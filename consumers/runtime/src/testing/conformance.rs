//! What every projection holds, whatever it projects: checked over a log of its events, on a real
//! Postgres, by the very transaction in which a worker applies a batch.
//!
//! | claim | how it is tried |
//! |---|---|
//! | rows and positions move together | after each batch every position stands behind its last record |
//! | outcomes add up | each record ends once, the same way wherever the log is cut |
//! | cut anywhere | whichever batches the log comes in, the tables say the same |
//! | delivered again | a position is set back, and what comes again changes nothing |
//! | a failure leaves nothing | a batch fails when all of it is written, and then succeeds |
//! | poison parks alone | with the later records of its subject; the tables are those of a log without them |
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a projection that does not conform has failed its test"
)]

mod failing;
mod stage;

use events_schema::Event;
use sqlx::PgPool;

use failing::FailsWhenWritten;
use stage::{Ended, Rows, Stage};

use crate::Projection;
use crate::record::{Content, Record};

/// What the tables of a projection are.
#[derive(Debug, Clone, Copy)]
pub struct Tables {
    /// All that it writes.
    pub all: &'static [&'static str],
    /// Those of them that say what was met: a record that comes again may be told there once more.
    pub of_encounters: &'static [&'static str],
    /// Columns with another value at each run, because a clock or a sequence gives it.
    pub passing_columns: &'static [&'static str],
}

/// Checks every claim over this log, of which no record parks by itself.
///
/// # Panics
/// Where a claim does not hold: with its name, and the log.
pub async fn all<P: Projection>(pool: &PgPool, tables: Tables, log: &[Event]) {
    let stage = Stage::<P>::new(pool, tables, log);
    cut_anywhere(&stage).await;
    delivered_again(&stage).await;
    a_failure_leaves_nothing(&stage).await;
    poison_parks_alone(&stage).await;
}

/// Into batches of as many records as this.
const BATCHES: [usize; 4] = [1, 2, 3, 7];
/// Between the places at which a log is cut in two.
const CUT_EVERY: usize = 5;
/// Records of a log that are made poison, one at a time.
const POISONED: usize = 3;

async fn cut_anywhere<P: Projection>(stage: &Stage<'_, P>) {
    let records = stage.records();
    stage.empty().await;
    let ended = stage.apply(&records).await;
    let rows = stage.rows().await;
    assert_eq!(stage.parked().await, [], "a record of this log parks by itself: {stage:?}");
    let in_chunks = BATCHES.into_iter().map(|size| records.chunks(size).collect::<Vec<_>>());
    let in_two = (1..records.len()).step_by(CUT_EVERY).map(|at| {
        let (first, second) = records.split_at(at);
        vec![first, second]
    });
    for batches in in_chunks.chain(in_two) {
        stage.empty().await;
        let sizes: Vec<usize> = batches.iter().map(|batch| batch.len()).collect();
        let mut total = Ended::default();
        for batch in batches {
            total = total + stage.apply(batch).await;
        }
        same(&format!("cut anywhere: into {sizes:?}"), (stage.rows().await, &rows), stage);
        assert_eq!(total, ended, "outcomes add up: into {sizes:?}: {stage:?}");
    }
}

async fn delivered_again<P: Projection>(stage: &Stage<'_, P>) {
    let records = stage.records();
    stage.empty().await;
    stage.apply(&records).await;
    let rows = stage.lasting_rows().await;
    for from in (0..records.len()).step_by(CUT_EVERY) {
        let again = &records[from..];
        stage.set_back_to(again).await;
        for batch in again.chunks(BATCHES[3]) {
            stage.apply(batch).await;
        }
        let what = format!("delivered again: from the record {from} on");
        same(&what, (stage.lasting_rows().await, &rows), stage);
    }
}

async fn a_failure_leaves_nothing<P: Projection>(stage: &Stage<'_, P>) {
    stage.empty().await;
    for batch in stage.records().chunks(BATCHES[3]) {
        if batch.iter().any(is_event) {
            let (rows, moved) = (stage.rows().await, stage.moved().await);
            let failed = stage.try_to_apply::<FailsWhenWritten<P>>(batch).await;
            assert!(failed.is_err(), "the batch was to fail");
            same("a failure leaves nothing", (stage.rows().await, &rows), stage);
            assert_eq!(stage.moved().await, moved, "a failure leaves nothing: {stage:?}");
        }
        stage.apply(batch).await;
    }
}

async fn poison_parks_alone<P: Projection>(stage: &Stage<'_, P>) {
    let count = stage.records().iter().filter(|record| is_event(record)).count();
    for nth in (0..count).step_by(count.div_ceil(POISONED).max(1)) {
        let mut records = stage.records();
        let poisoned = records.iter_mut().filter(|record| is_event(record)).nth(nth).unwrap();
        let detail = "made so by a test".to_owned();
        poisoned.content = Content::Poison { cause: "undecodable", detail };
        let (parks, flows) = stage.without(poisoned.source);

        stage.empty().await;
        for batch in records.chunks(BATCHES[2]) {
            stage.apply(batch).await;
        }
        assert_eq!(stage.parked().await, parks, "poison parks alone: {stage:?}");
        let rows = stage.rows().await;

        stage.empty().await;
        stage.apply(&flows).await;
        same(&format!("beside {parks:?} the rest flows"), (rows, &stage.rows().await), stage);
    }
}

/// Says of two contents of the tables only what differs.
#[track_caller]
fn same<P>(claim: &str, (rows, expected): (Rows, &Rows), stage: &Stage<'_, P>) {
    let strange: Vec<_> = rows.difference(expected).collect();
    let missing: Vec<_> = expected.difference(&rows).collect();
    assert!(
        strange.is_empty() && missing.is_empty(),
        "{claim}: rows that are there and should not be: {strange:#?}, and the reverse: \
         {missing:#?}, after {stage:?}"
    );
}

fn is_event(record: &Record) -> bool {
    matches!(record.content, Content::Event(_))
}
