//! One transaction: what is decided, saved and parked of the records that a worker took. Knows whose
//! the partitions are, and neither the log nor a worker.

pub(crate) mod apply_batch;
pub(crate) mod apply_context;
pub(crate) mod decide_batch;
pub(crate) mod follow_ups;
pub(crate) mod parking;
pub(crate) mod partition_breaker;
pub(crate) mod pending;
