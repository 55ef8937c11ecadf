//! What the poll thread has taken from the client and the worker has no room for yet. Bounded by
//! records and by bytes: the rest stays where the client fetched it to.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::mpsc;

use crate::partition::TopicPartition;
use crate::record::{HeldBytes, Record};

/// Bytes of records that a worker holds at most, give or take a record: where there are more,
/// nothing is taken until some are applied.
const HELD_BYTES_MAX: usize = 16 * 1024 * 1024;

pub(crate) struct Fetching {
    records: mpsc::Sender<Record>,
    /// Records that the worker had no room for yet.
    overflow: VecDeque<Record>,
    /// So many of them, and nothing more is taken.
    overflow_max: usize,
    /// Bytes of all records that are not applied yet, here and at the worker.
    held_bytes: Arc<AtomicUsize>,
}

impl Fetching {
    pub(crate) fn new(records: mpsc::Sender<Record>, overflow_max: usize) -> Self {
        Self { records, overflow: VecDeque::new(), overflow_max, held_bytes: Arc::default() }
    }

    pub(crate) fn is_full(&self) -> bool {
        self.overflow.len() >= self.overflow_max
            || self.held_bytes.load(Ordering::Relaxed) > HELD_BYTES_MAX
    }

    /// Whether the worker has taken all that came.
    pub(crate) fn is_handed_over(&self) -> bool {
        self.overflow.is_empty()
    }

    pub(crate) fn push(&mut self, mut record: Record) {
        record.held_bytes = HeldBytes::new(record.raw.bytes(), &self.held_bytes);
        self.overflow.push_back(record);
    }

    /// Hands over what the worker has room for.
    pub(crate) fn hand_over(&mut self) {
        while let Some(record) = self.overflow.pop_front() {
            if let Err(error) = self.records.try_send(record) {
                self.overflow.push_front(error.into_inner());
                break;
            }
        }
    }

    /// Partitions were taken away, or stopped.
    pub(crate) fn drop_those_of(&mut self, keys: &[TopicPartition]) {
        self.overflow.retain(|record| !keys.contains(&record.source.topic_partition()));
    }
}
