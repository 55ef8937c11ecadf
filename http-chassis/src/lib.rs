#![doc = include_str!("../README.md")]
#![deny(missing_docs)]

mod accept;
mod connection;
mod metrics;
mod open_files;
mod patience;
mod peers;
mod phase;
pub mod problem;
pub mod problems;
mod queue;
mod refusal;
mod routes;
mod server;
pub mod settings;
mod unread;

pub use metrics::Route;
pub use patience::within;
pub use queue::Queue;
pub use routes::{Routes, path};
pub use server::{Serving, listen};
