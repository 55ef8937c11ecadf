#![doc = include_str!("../README.md")]
#![deny(missing_docs)]

mod after;
mod backoff;
mod batch;
mod broker_watch;
mod error;
mod grants;
mod log;
mod metrics;
mod migrate;
mod ownership;
mod partition;
mod projection;
mod raw_headers;
mod record;
mod schemas;
mod serve;
mod settings;
mod shared;
pub mod testing;
#[cfg(test)]
mod tests;
mod topic_names;
mod worker;

pub use error::StoreError;
pub use grants::grant;
pub use migrate::migrate;
pub use partition::{Offset, Partition, Source};
pub use projection::{Batch, Decision, Delivered, FollowUp, Projection, Refusal, Rejection};
pub use serve::{ServiceContext, Tables, main, main_with};
pub use worker::circuit_breaker::CircuitBreaker;
