//! How far the projection is, and waiting until it is far enough. Reads no order.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ::metrics::Gauge;
use events_schema::{RecordPosition, Topic};
use futures::FutureExt;
use sqlx::PgConnection;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::database::{Database, Reading, Unavailable};
use crate::metrics;
use crate::snapshot::PositionRow;

/// Between two looks at the positions while anybody waits: one query for all who wait.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// Between two looks while the database does not answer.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// The offset of the next record to apply, by topic and partition.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reached(BTreeMap<(Topic, i32), i64>);

impl Reached {
    /// Whether all of these records are applied.
    pub(crate) fn has_passed(&self, positions: &[RecordPosition]) -> bool {
        positions.iter().all(|position| {
            let next = self.0.get(&(position.topic, position.partition));
            next.is_some_and(|next| *next > position.offset)
        })
    }

    /// The last record that is applied, of each partition of the topic or of only this one.
    pub(crate) fn of(&self, topic: Topic, partition: Option<i32>) -> Vec<RecordPosition> {
        let known = self.0.iter().filter(|((of, number), _)| {
            *of == topic && partition.is_none_or(|partition| partition == *number)
        });
        known
            .filter_map(|((topic, number), next)| RecordPosition::before(*topic, *number, *next))
            .collect()
    }
}

/// How waiting ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Waited {
    /// The positions are passed, on the database that was asked.
    Passed,
    /// The time is over, or the process stops.
    InVain,
    /// So many wait already that nobody else does.
    Crowded,
}

/// What the watcher says to all who wait.
type Answer = Result<Arc<Reached>, Unavailable>;

/// Clones share the watcher.
#[derive(Clone)]
pub(crate) struct Progress {
    database: Database,
    prefix: Arc<str>,
    answers: watch::Sender<Answer>,
    waiting: Arc<AtomicUsize>,
    waiting_max: usize,
    waiting_gauge: Gauge,
    wanted: Arc<Notify>,
    shutdown: CancellationToken,
}

impl Progress {
    pub(crate) fn new(
        database: Database,
        prefix: &str,
        waiting_max: usize,
        shutdown: CancellationToken,
    ) -> Self {
        let answers = watch::Sender::new(Err(Unavailable::Down));
        let (waiting, wanted) = Default::default();
        let (prefix, waiting_gauge) = (prefix.into(), metrics::waiting());
        Self { database, prefix, answers, waiting, waiting_max, waiting_gauge, wanted, shutdown }
    }

    /// The topic, as this deployment calls it.
    pub(crate) fn name(&self, topic: Topic) -> String {
        format!("{}{}", self.prefix, topic.name())
    }

    /// What these rows say of the topics of this deployment.
    pub(crate) fn of(&self, rows: &[PositionRow]) -> Reached {
        let topic = |name: &str| {
            let name = name.strip_prefix(&*self.prefix)?;
            Topic::from_name(name)
        };
        let known =
            |(name, partition, next): &PositionRow| Some(((topic(name)?, *partition), *next));
        Reached(rows.iter().filter_map(known).collect())
    }

    /// Waits until the positions are passed.
    pub(crate) async fn wait(
        &self,
        positions: &[RecordPosition],
        until: Instant,
    ) -> Result<Waited, Unavailable> {
        let Some(waiting) = Waiting::new(self) else { return Ok(Waited::Crowded) };
        tokio::select! {
            passed = timeout_at(until, waiting.until_passed(positions)) => match passed {
                Ok(passed) => passed.map(|()| Waited::Passed),
                Err(_) => Ok(Waited::InVain),
            },
            // A process that stops answers those who wait.
            () = self.shutdown.cancelled() => Ok(Waited::InVain),
        }
    }

    /// Looks at the positions while anybody waits, on a connection of its own: requests that are
    /// too many shall not end the waiting of those who are patient.
    pub(crate) async fn watch(self) {
        let mut line = self.database.line();
        loop {
            if self.waiting.load(Ordering::Acquire) == 0 {
                self.wanted.notified().await;
            }
            let answer = line.ask(positions).await.map(|rows| Arc::new(self.of(&rows)));
            let pause = if answer.is_ok() { LOOK_EVERY } else { LOOK_AGAIN };
            let said = match answer {
                Err(_) if !self.database.is_up() => Some(Err(Unavailable::Down)),
                // One question without an answer is no outage yet: those who wait go on.
                Err(Unavailable::Down | Unavailable::Overloaded) => None,
                answer => Some(answer),
            };
            if let Some(said) = said {
                drop(self.answers.send_replace(said));
            }
            sleep(pause).await;
        }
    }
}

/// Somebody waits as long as this lives.
struct Waiting<'a> {
    progress: &'a Progress,
    answers: watch::Receiver<Answer>,
}

impl<'a> Waiting<'a> {
    /// `None` where too many wait.
    fn new(progress: &'a Progress) -> Option<Self> {
        // Only answers from now on: the last one may be old.
        let answers = progress.answers.subscribe();
        if progress.waiting.fetch_add(1, Ordering::AcqRel) >= progress.waiting_max {
            progress.waiting.fetch_sub(1, Ordering::AcqRel);
            return None;
        }
        progress.waiting_gauge.increment(1.0);
        progress.wanted.notify_one();
        Some(Self { progress, answers })
    }

    async fn until_passed(mut self, positions: &[RecordPosition]) -> Result<(), Unavailable> {
        loop {
            // The sender lives as long as the progress.
            let _ = self.answers.changed().await;
            if self.answers.borrow_and_update().clone()?.has_passed(positions) {
                return Ok(());
            }
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.progress.waiting.fetch_sub(1, Ordering::AcqRel);
        self.progress.waiting_gauge.decrement(1.0);
    }
}

fn positions(conn: &mut PgConnection) -> Reading<'_, Vec<PositionRow>> {
    let query = sqlx::query_as("SELECT topic, partition, next_offset FROM positions");
    query.fetch_all(conn).boxed()
}
