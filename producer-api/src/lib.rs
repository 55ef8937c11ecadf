#![doc = include_str!("../README.md")]

pub mod accept_order;
mod body;
mod catalogue;
mod cluster;
mod connection;
mod fingerprint;
#[cfg(test)]
mod fuzz;
mod gather;
mod metrics;
mod once_a_second;
pub mod openapi;
mod order_request;
mod problems;
mod product_request;
mod publish_thread;
mod publisher;
mod routes;
mod schemas;
mod server;
pub mod settings;
mod trace;

use chassis::Process;

pub use server::Server;
pub use settings::Settings;

/// Serves until shutdown.
///
/// # Errors
/// When a setting is wrong, the address is taken, or a record was left undelivered at the end.
pub async fn run(process: Process) -> anyhow::Result<()> {
    Server::start(process, Settings::from_env()?)?.finish().await
}

/// Whether a body is an order that could be placed: what `benches/limits.rs` measures without Kafka.
pub fn is_order(body: &[u8]) -> bool {
    order_request::OrderRequest::parse(body).is_ok()
}
