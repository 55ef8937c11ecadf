//! The numbers of the log, each with a type of its own: partitions, offsets and the epochs of who
//! owns them.

use events_schema::Topic;

/// Where a record stands in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Source {
    /// Which topic.
    pub topic: Topic,
    /// Which partition of it.
    pub partition: Partition,
    /// Where in the partition.
    pub offset: Offset,
}

impl Source {
    pub(crate) fn topic_partition(self) -> TopicPartition {
        TopicPartition { topic: self.topic, partition: self.partition }
    }
}

/// The number of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Partition(pub i32);

/// A place in a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Offset(pub i64);

impl Offset {
    /// The one behind it.
    pub(crate) fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// Given out when a position is taken: a later owner has a higher one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Epoch(pub i64);

/// A partition of a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct TopicPartition {
    pub topic: Topic,
    pub partition: Partition,
}

impl TopicPartition {
    pub(crate) const fn new(topic: Topic, partition: i32) -> Self {
        Self { topic, partition: Partition(partition) }
    }

    /// As Kafka's client counts it.
    pub(crate) fn number(self) -> i32 {
        self.partition.0
    }
}

/// Where the owner of a partition starts: at this offset, as this owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Start {
    pub epoch: Epoch,
    pub next: Offset,
}
