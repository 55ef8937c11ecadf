//! What the poll thread and the worker say to each other. Does nothing.

use std::collections::HashMap;
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex};

use crate::ownership::claim::Claim;
use crate::partition::{Offset, TopicPartition};

/// What the poll thread asks of the worker.
pub(crate) enum Control {
    /// Take the positions of these partitions and say where each starts.
    Claim(Vec<Claim>),
    /// Finish the batch under way, forget these partitions, then say so.
    Release(Vec<TopicPartition>, SyncSender<()>),
    /// Look whether the log holds no record from here on, though it goes on.
    Hole(TopicPartition, Offset),
    /// Stop these partitions: what comes next of them cannot be read.
    Unreadable(Vec<TopicPartition>),
}

/// What the worker leaves for the poll thread: how far the partitions are.
pub(crate) type Progress = Arc<Mutex<HashMap<TopicPartition, Offset>>>;
