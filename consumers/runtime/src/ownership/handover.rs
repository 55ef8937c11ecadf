//! Which partitions the workers of this process hold, and of which events are being published: a
//! partition is given up only when nothing of it is under way. Publishes nothing itself.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, watch};

use crate::partition::TopicPartition;

/// What the workers of a process and its publisher know of one another.
#[derive(Debug)]
pub(crate) struct Handover {
    /// By the number of the worker.
    held: Mutex<BTreeMap<usize, Vec<TopicPartition>>>,
    publishing: watch::Sender<Publishing>,
    /// Wakes the publisher.
    follow_ups: Arc<Notify>,
}

/// What the publisher of a process is at.
#[derive(Debug, Default)]
pub(crate) struct Publishing {
    /// How often it has looked for rows.
    rounds: u64,
    /// Partitions whose rows are looked for, under way, or still to be removed.
    at_work: BTreeSet<TopicPartition>,
}

impl Publishing {
    fn is_at(&self, partitions: &[TopicPartition]) -> bool {
        partitions.iter().any(|partition| self.at_work.contains(partition))
    }
}

impl Handover {
    pub(crate) fn new(follow_ups: Arc<Notify>) -> Self {
        let (held, publishing) = (Mutex::default(), watch::Sender::default());
        Self { held, publishing, follow_ups }
    }

    /// Notes which partitions a worker holds: their outbox rows are this process's to publish.
    pub(crate) fn hold(&self, worker: usize, partitions: Vec<TopicPartition>) {
        self.lock().insert(worker, partitions);
        self.follow_ups.notify_one();
    }

    pub(crate) fn held_by(&self, worker: usize) -> Vec<TopicPartition> {
        self.lock().get(&worker).cloned().unwrap_or_default()
    }

    /// By any worker of the process.
    pub(crate) fn held(&self) -> Vec<TopicPartition> {
        self.lock().values().flatten().copied().collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<usize, Vec<TopicPartition>>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Until the publisher is at none of these partitions, which are not held any more: else their next
    /// owner would find the same rows, and publish them again.
    pub(crate) async fn left(&self, partitions: &[TopicPartition]) {
        let is_left = |publishing: &Publishing| !publishing.is_at(partitions);
        let _ = self.publishing.subscribe().wait_for(is_left).await;
    }

    /// Until the publisher is at one of these partitions.
    #[cfg(test)]
    pub(crate) async fn begun(&self, partitions: &[TopicPartition]) {
        let has_begun = |publishing: &Publishing| publishing.is_at(partitions);
        let _ = self.publishing.subscribe().wait_for(has_begun).await;
    }

    /// Until everything is published that the last batches of these partitions left.
    pub(crate) async fn published(&self, partitions: &[TopicPartition]) {
        let mut publishing = self.publishing.subscribe();
        // The round that is under way may have looked before the last batch.
        let rounds = publishing.borrow_and_update().rounds + 2;
        loop {
            self.follow_ups.notify_one();
            if publishing.changed().await.is_err() {
                return;
            }
            let now = publishing.borrow_and_update();
            if now.rounds >= rounds && !now.is_at(partitions) {
                return;
            }
        }
    }

    /// Whether there is a publisher, so that somebody will ever say that something is published.
    pub(crate) fn has_publisher(&self) -> bool {
        self.publishing.borrow().rounds > 0
    }

    /// The publisher says what it is at.
    pub(crate) fn at_work(&self, partitions: BTreeSet<TopicPartition>) {
        self.publishing.send_if_modified(|publishing| {
            let is_news = publishing.at_work != partitions;
            publishing.at_work = partitions;
            is_news
        });
    }

    /// The publisher has looked for rows once more.
    pub(crate) fn round_ended(&self) {
        self.publishing.send_modify(|publishing| publishing.rounds += 1);
    }
}
