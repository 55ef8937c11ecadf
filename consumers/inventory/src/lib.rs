#![doc = include_str!("../README.md")]

pub mod decide;
mod metrics;
pub mod order;
mod projection;
mod store;

pub use projection::Inventory;

/// The projection's own tables.
pub static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("./migrations");
