//! Why a worker's step did not succeed, and what that means for the worker. Does nothing about it.

use crate::error::StoreError;

/// Wait and try again, or give up the client.
pub(crate) enum StepError {
    Retry(String),
    /// Another worker of the process is asking already.
    BreakerOpen,
    Fatal(WorkerError),
}

/// Why a worker cannot go on with this client.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WorkerError {
    /// Another worker took a partition that this one believed to hold.
    #[error("another worker owns the partition")]
    Fenced,
    /// A topic was deleted and created again: its partitions have to be claimed anew, and stop.
    #[error("the topic {0} was created anew")]
    TopicRecreated(String),
    /// A defect of ours, such as a missing migration.
    #[error("the worker cannot go on")]
    Defect(#[source] StoreError),
}
