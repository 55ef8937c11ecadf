#![doc = include_str!("../README.md")]

pub mod decide;
mod metrics;
pub mod order;
mod projection;
mod store;

pub use projection::Inventory;

/// The projection's own tables.
pub static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("./migrations");

/// What makes them, and who may do what with them.
pub static TABLES: runtime::Tables =
    runtime::Tables { migrations: &MIGRATIONS, grants: include_str!("../grants.sql") };
