//! What a worker asks the registry: each schema once at a time, in the background, so that a registry
//! that does not answer holds up only what waits for it. Knows no records.

use std::collections::BTreeSet;
use std::future::Future;
use std::time::{Duration, Instant};

use events_schema::wire::SchemaId;
use schema_registry::RegistryError;
use tokio::task::JoinSet;
use tokio::time::timeout_at;

/// Requests to the registry at the same time.
const OPEN_MAX: usize = 16;
/// How long a batch waits for the answers to its own requests. A registry that works is faster, also
/// on a busy machine: what waits longer stops its partition.
const WAIT_MAX: Duration = Duration::from_secs(1);
/// A registry that gave no answer is asked again after this time.
const AGAIN: Duration = Duration::from_secs(1);

type Answer = (SchemaId, Result<(), RegistryError>);

#[derive(Debug, Default)]
pub(crate) struct SchemaRequests {
    open: JoinSet<Answer>,
    ids: BTreeSet<SchemaId>,
    not_before: Option<Instant>,
}

impl SchemaRequests {
    /// Asks for what is not being asked for, and returns what was answered: within [`WAIT_MAX`]
    /// where it asked, or else at once.
    pub(crate) async fn ask<F>(
        &mut self,
        ids: impl IntoIterator<Item = SchemaId>,
        request: impl Fn(SchemaId) -> F,
    ) -> Vec<Answer>
    where
        F: Future<Output = Result<(), RegistryError>> + Send + 'static,
    {
        let mut wait = Duration::ZERO;
        for id in ids {
            let is_full = self.open.len() >= OPEN_MAX;
            if is_full || self.not_before.is_some_and(|then| Instant::now() < then) {
                break;
            }
            if self.ids.insert(id) {
                wait = WAIT_MAX;
                let answer = request(id);
                self.open.spawn(async move { (id, answer.await) });
            }
        }
        self.answers(wait).await
    }

    async fn answers(&mut self, wait: Duration) -> Vec<Answer> {
        let until = tokio::time::Instant::now() + wait;
        let mut answers = Vec::new();
        while let Ok(Some(answer)) = timeout_at(until, self.open.join_next()).await {
            // One that panicked asks no more: what it was about waits for a new worker.
            let Ok((id, answer)) = answer else { continue };
            self.ids.remove(&id);
            if matches!(answer, Err(RegistryError::Unavailable { .. })) {
                self.not_before = Some(Instant::now() + AGAIN);
            }
            answers.push((id, answer));
        }
        answers
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::sync::Notify;

    use super::*;

    fn unavailable() -> RegistryError {
        RegistryError::Unavailable { url: String::new(), cause: String::new() }
    }

    #[tokio::test]
    async fn a_silent_registry_costs_a_batch_a_moment_once_and_is_heard_when_it_answers() {
        let (mut requests, speaks) = (SchemaRequests::default(), Arc::new(Notify::new()));
        let asked = Arc::new(AtomicUsize::new(0));
        let request = |_| {
            let (speaks, asked) = (Arc::clone(&speaks), Arc::clone(&asked));
            async move {
                asked.fetch_add(1, Ordering::Relaxed);
                speaks.notified().await;
                Ok(())
            }
        };
        let began = Instant::now();
        for _ in 0..100 {
            assert!(requests.ask([7], request).await.is_empty());
        }
        // Had each waited, it would be a hundred times that.
        assert!(began.elapsed() < WAIT_MAX * 10);
        assert_eq!(asked.load(Ordering::Relaxed), 1);
        speaks.notify_one();
        while requests.ask([], request).await.is_empty() {
            tokio::task::yield_now().await;
        }
        assert!(requests.ids.is_empty());
    }

    #[tokio::test]
    async fn a_registry_that_is_away_is_not_asked_again_at_once() {
        let mut requests = SchemaRequests::default();
        let away = |_| async { Err(unavailable()) };
        assert_eq!(requests.ask([7], away).await.len(), 1);
        assert!(requests.ask([7, 8], away).await.is_empty());
        requests.not_before = requests.not_before.map(|then| then - AGAIN);
        assert_eq!(requests.ask([7, 8], away).await.len(), 2);
    }

    #[tokio::test]
    async fn the_open_requests_are_bounded() {
        let mut requests = SchemaRequests::default();
        let silent = |_| std::future::pending();
        requests.ask(0..100, silent).await;
        assert_eq!(requests.open.len(), OPEN_MAX);
    }
}
