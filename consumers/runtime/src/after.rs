//! What follows from a batch once it is committed: its events are published, what it parked is copied,
//! and parked records are applied again. Knows the batch and who owns what, and no worker.

pub(crate) mod dead_letters;
pub(crate) mod outbox;
pub(crate) mod publish;
pub(crate) mod redrive;
