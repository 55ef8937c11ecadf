//! How far the projection is, and waiting until it is far enough. Reads no order.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ::metrics::Gauge;
use events_schema::Topic;
use futures::FutureExt;
use sqlx::PgConnection;
use tokio::sync::{Notify, watch};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::database::{Database, Reading, Unavailable};
use crate::metrics;
use crate::position::Position;

/// Between two looks at the positions while anybody waits: one query for all who wait.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// The offset of the next record to apply, by topic and partition.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reached(BTreeMap<(Topic, i32), i64>);

impl Reached {
    /// Whether this record is applied.
    pub(crate) fn has_passed(&self, position: &Position) -> bool {
        let next = self.0.get(&(position.topic, position.partition));
        next.is_some_and(|next| *next > position.offset)
    }

    /// The last record that is applied, of each partition of the topic or of only this one.
    pub(crate) fn of(&self, topic: Topic, partition: Option<i32>) -> Vec<Position> {
        let known = self.0.iter().filter(|((of, number), _)| {
            *of == topic && partition.is_none_or(|partition| partition == *number)
        });
        known
            .filter_map(|((topic, number), next)| Position::before(*topic, *number, *next))
            .collect()
    }
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
    waiting_gauge: Gauge,
    wanted: Arc<Notify>,
    shutdown: CancellationToken,
}

impl Progress {
    pub(crate) fn new(database: Database, prefix: &str, shutdown: CancellationToken) -> Self {
        let answers = watch::Sender::new(Err(Unavailable::Down));
        let (waiting, wanted) = Default::default();
        let (prefix, waiting_gauge) = (prefix.into(), metrics::waiting());
        Self { database, prefix, answers, waiting, waiting_gauge, wanted, shutdown }
    }

    /// The name of a topic in this deployment.
    pub(crate) fn topic_name(&self, topic: Topic) -> String {
        format!("{}{}", self.prefix, topic.name())
    }

    /// How far it is now.
    pub(crate) async fn reached(&self) -> Result<Reached, Unavailable> {
        let rows = self.database.read(positions).await?;
        let topic = |name: &str| Topic::ALL.into_iter().find(|t| self.topic_name(*t) == name);
        let known = |(name, partition, next): (String, i32, i64)| {
            topic(&name).map(|topic| ((topic, partition), next))
        };
        Ok(Reached(rows.into_iter().filter_map(known).collect()))
    }

    /// How far it is once it has passed the position, or when the time is over.
    pub(crate) async fn wait(
        &self,
        position: &Position,
        longest: Duration,
    ) -> Result<Reached, Unavailable> {
        let reached = self.reached().await?;
        if reached.has_passed(position) || longest.is_zero() {
            return Ok(reached);
        }
        let mut last = Arc::new(reached);
        let waiting = Waiting::new(self);
        let passed = timeout(longest, waiting.until(position, &mut last));
        let outcome = tokio::select! {
            outcome = passed => outcome,
            // A process that stops answers those who wait.
            () = self.shutdown.cancelled() => Ok(Ok(())),
        };
        if let Ok(Err(unavailable)) = outcome {
            return Err(unavailable);
        }
        metrics::waited(last.has_passed(position));
        Ok(Reached::clone(&last))
    }

    /// Looks at the positions while anybody waits.
    pub(crate) async fn watch(self) {
        loop {
            if self.waiting.load(Ordering::Acquire) == 0 {
                self.wanted.notified().await;
            }
            let answer = self.reached().await.map(Arc::new);
            drop(self.answers.send_replace(answer));
            sleep(LOOK_EVERY).await;
        }
    }
}

/// Somebody waits as long as this lives.
struct Waiting<'a> {
    progress: &'a Progress,
    answers: watch::Receiver<Answer>,
}

impl<'a> Waiting<'a> {
    fn new(progress: &'a Progress) -> Self {
        // Only answers from now on: the last one may be old.
        let answers = progress.answers.subscribe();
        progress.waiting.fetch_add(1, Ordering::AcqRel);
        progress.waiting_gauge.increment(1.0);
        progress.wanted.notify_one();
        Self { progress, answers }
    }

    async fn until(
        mut self,
        position: &Position,
        last: &mut Arc<Reached>,
    ) -> Result<(), Unavailable> {
        while !last.has_passed(position) {
            // The sender lives as long as the progress.
            let _ = self.answers.changed().await;
            *last = self.answers.borrow_and_update().clone()?;
        }
        Ok(())
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.progress.waiting.fetch_sub(1, Ordering::AcqRel);
        self.progress.waiting_gauge.decrement(1.0);
    }
}

fn positions(conn: &mut PgConnection) -> Reading<'_, Vec<(String, i32, i64)>> {
    let query = sqlx::query_as("SELECT topic, partition, next_offset FROM positions");
    query.fetch_all(conn).boxed()
}
