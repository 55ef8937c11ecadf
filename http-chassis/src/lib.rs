#![doc = include_str!("../README.md")]
#![deny(missing_docs)]

mod metrics;
mod open_files;
mod peers;
pub mod problems;
mod routes;
mod server;
pub mod settings;
mod unread;

pub use metrics::Route;
pub use routes::{Routes, path};
pub use server::{Serving, listen};
