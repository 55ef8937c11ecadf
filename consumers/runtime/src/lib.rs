#![doc = include_str!("../README.md")]
#![deny(missing_docs)]

mod apply_batch;
mod circuit;
mod claim;
mod claiming;
mod committing;
mod dead_letters;
mod error;
mod faults;
mod fetch_queues;
mod first_start;
mod gap;
mod grants;
mod group;
mod halt;
mod hole;
mod identity;
mod lanes;
mod metrics;
mod migrate;
mod outbox;
mod parking;
mod patience;
mod pending;
mod poll;
mod positions;
mod projection;
mod publish;
mod questions;
mod record;
mod redrive;
mod resolving;
mod serve;
mod settings;
mod share;
mod shared;
mod standby;
mod stopping;
mod supervise;
pub mod testing;
#[cfg(test)]
mod tests;
mod topic_names;
mod trip;
mod unreadable;
mod worker;

pub use circuit::Circuit;
pub use error::StoreError;
pub use grants::grant;
pub use migrate::migrate;
pub use projection::{
    Batch, Decision, Delivered, FollowUp, Offset, Partition, Projection, Refusal, Rejection, Source,
};
pub use serve::{Beside, Tables, main, main_with};
