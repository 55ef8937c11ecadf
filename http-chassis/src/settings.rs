//! What the operator of an API can set. Uses none of it.

use std::net::SocketAddr;
use std::time::Duration;

use chassis::probes;
use chassis::settings::{self, SettingsError, at_least_one};

/// How HTTP is served.
#[derive(Debug, Clone)]
pub struct HttpSettings {
    /// `HTTP_ADDR` (default: the API's port of `127.0.0.1`).
    pub address: SocketAddr,
    /// `HEALTH_ADDR` (default: none): where `/livez`, `/readyz` and `/metrics` are answered too, so
    /// that clients' connections cannot keep probes out.
    pub health_address: Option<SocketAddr>,
    /// `HTTP_WORKERS` (default: the cores): threads that serve requests.
    pub workers: usize,
    /// `HTTP_CONNECTIONS_MAX`: open connections of all workers together; one more is told so by a 503
    /// and closed.
    pub connections_max: usize,
    /// `SHUTDOWN_SECONDS`: how long a stop may take.
    pub shutdown: Duration,
}

/// What an API does where its operator says nothing.
pub struct HttpDefaults {
    /// The port of `HTTP_ADDR`.
    pub port: u16,
    /// `HTTP_CONNECTIONS_MAX`.
    pub connections_max: u64,
    /// `SHUTDOWN_SECONDS`.
    pub shutdown_s: u64,
}

impl HttpSettings {
    /// Reads them from the environment.
    ///
    /// # Errors
    /// When one cannot be read.
    pub fn from_env(defaults: &HttpDefaults) -> Result<Self, SettingsError> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from) as u64;
        let address = ([127, 0, 0, 1], defaults.port).into();
        let address = settings::parsed("HTTP_ADDR", address, "an address like 0.0.0.0:8080")?;
        let shutdown_s = at_least_one("SHUTDOWN_SECONDS", defaults.shutdown_s)?;
        Ok(Self {
            address,
            // The API's own address answers them anyway.
            health_address: probes::address()?.filter(|health| *health != address),
            workers: at_least_one("HTTP_WORKERS", cores)?,
            connections_max: at_least_one("HTTP_CONNECTIONS_MAX", defaults.connections_max)?,
            shutdown: Duration::from_secs(shutdown_s),
        })
    }
}
