#![doc = include_str!("../README.md")]
#![deny(missing_docs)]

mod pool;
mod verdict;

pub use pool::{CONVERSATION, PostgresSettings, Purpose, guarded, pool_options, session, within};
