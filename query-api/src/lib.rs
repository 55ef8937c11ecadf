#![doc = include_str!("../README.md")]

mod cursor;
mod database;
#[cfg(test)]
mod fuzz;
mod metrics;
pub mod openapi;
mod orders;
mod prefer;
mod problems;
mod products;
mod progress;
mod refusals;
mod routes;
mod server;
pub mod settings;
mod snapshot;

use chassis::Process;

pub use server::Server;
pub use settings::Settings;

/// Serves until shutdown.
///
/// # Errors
/// When a setting is wrong or the address is taken.
pub async fn run(process: Process) -> anyhow::Result<()> {
    Server::start(process, Settings::from_env()?)?.finish().await
}
