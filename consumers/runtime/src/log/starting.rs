//! Which partitions the poll thread delivers from: those that wait for their start, and those that the
//! client fetches. Asks no broker.

use std::collections::{HashMap, HashSet};

use tokio::sync::{mpsc, oneshot};

use crate::ownership::claim::{Claim, Reclaim};
use crate::partition::{Epoch, Start, TopicPartition};

pub(crate) struct Starting {
    /// Partitions of ours whose start is not known yet.
    claims: HashMap<TopicPartition, oneshot::Receiver<Start>>,
    /// Partitions that the worker has stopped for a while.
    reclaims: mpsc::UnboundedReceiver<Reclaim>,
    /// Partitions that the client was told to fetch.
    assigned: HashSet<TopicPartition>,
    /// Epochs of the partitions that deliver.
    epochs: HashMap<TopicPartition, Epoch>,
}

impl Starting {
    pub(crate) fn new(reclaims: mpsc::UnboundedReceiver<Reclaim>) -> Self {
        let (claims, epochs) = (HashMap::new(), HashMap::new());
        Self { claims, reclaims, assigned: HashSet::new(), epochs }
    }

    /// Who owns a partition that delivers.
    pub(crate) fn epoch(&self, key: TopicPartition) -> Option<Epoch> {
        self.epochs.get(&key).copied()
    }

    pub(crate) fn is_assigned(&self, key: TopicPartition) -> bool {
        self.assigned.contains(&key)
    }

    /// Whether the group has given it nothing.
    pub(crate) fn is_idle(&self) -> bool {
        self.claims.is_empty() && self.assigned.is_empty()
    }

    /// The group gave these partitions: what the worker is to be asked.
    pub(crate) fn claim(&mut self, keys: Vec<TopicPartition>) -> Vec<Claim> {
        let claim = |key| {
            let (answer, start) = oneshot::channel();
            self.claims.insert(key, start);
            Claim { key, answer }
        };
        keys.into_iter().map(claim).collect()
    }

    /// The partitions whose start is known by now.
    pub(crate) fn started(&mut self) -> Vec<(TopicPartition, Start)> {
        let mut started = Vec::new();
        for (key, claim) in &mut self.claims {
            if let Ok(start) = claim.try_recv() {
                started.push((*key, start));
            }
        }
        for (key, start) in &started {
            self.claims.remove(key);
            self.epochs.insert(*key, start.epoch);
            self.assigned.insert(*key);
        }
        started
    }

    /// The partitions that the worker has stopped. One that the group took away meanwhile is nobody's
    /// to start again.
    pub(crate) fn stopped(&mut self) -> Vec<TopicPartition> {
        let mut keys = Vec::new();
        while let Ok(Reclaim { key, start }) = self.reclaims.try_recv() {
            if self.assigned.contains(&key) {
                self.epochs.remove(&key);
                self.claims.insert(key, start);
                keys.push(key);
            }
        }
        keys
    }

    /// The group takes these partitions away: nothing more is delivered from them.
    pub(crate) fn release(&mut self, keys: &[TopicPartition]) {
        for key in keys {
            self.claims.remove(key);
            self.epochs.remove(key);
        }
    }

    /// Those of the partitions that the client fetches, which from now on it is not to.
    pub(crate) fn unassign(&mut self, keys: &[TopicPartition]) -> Vec<TopicPartition> {
        keys.iter().filter(|key| self.assigned.remove(key)).copied().collect()
    }
}
