#![doc = include_str!("../README.md")]
#![deny(missing_docs)]

mod absent;
mod address;
mod cache;
mod client;
mod error;
mod registry;
mod versions;

pub use error::RegistryError;
pub use registry::Registry;
pub use versions::Version;
