#![doc = include_str!("../README.md")]
#![deny(missing_docs)]

pub mod clock;
pub mod faults;
pub mod health;
pub mod kafka;
pub mod postgres;
pub mod problem;
pub mod process;
pub mod record_headers;
pub mod settings;
pub mod telemetry;
pub mod topic_ids;
pub mod watermarks;

pub use process::{Process, launch};
