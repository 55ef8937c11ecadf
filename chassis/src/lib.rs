#![doc = include_str!("../README.md")]
#![deny(missing_docs)]

pub mod backoff;
pub mod clock;
pub mod health;
pub mod probes;
pub mod process;
pub mod settings;
pub mod telemetry;

pub use process::{Process, launch};
