//! What an operator can set. Uses none of it.

use std::net::SocketAddr;
use std::time::Duration;

use chassis::postgres::PostgresSettings;
use chassis::settings::{self, SettingsError};
use sqlx::PgPool;

/// The settings of the process.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `DATABASE_URL`, `DATABASE_CONNECTIONS_MAX`: the projection of inventory, not connected yet.
    pub pool: PgPool,
    /// `QUERY_TIMEOUT_MS` (default 2000): a statement that runs this long is given up.
    pub query_timeout: Duration,
    /// `KAFKA_PREFIX`: what stands before a topic's name in the positions of this deployment.
    pub topic_prefix: String,
    /// How HTTP is served.
    pub http: HttpSettings,
}

/// How HTTP is served.
#[derive(Debug, Clone)]
pub struct HttpSettings {
    /// `HTTP_ADDR` (default `127.0.0.1:8081`).
    pub address: SocketAddr,
    /// `HTTP_WORKERS` (default: the cores): threads that serve requests.
    pub workers: usize,
    /// `HTTP_CONNECTIONS_MAX` (default 4096): open connections of one worker; more wait.
    pub connections_max: usize,
    /// `HTTP_WAITERS_MAX` (default 1000): requests that wait for a position at once; the next one is
    /// answered as things are.
    pub waiters_max: usize,
    /// `SHUTDOWN_SECONDS` (default 20): how long a stop may take.
    pub shutdown: Duration,
}

/// The schema that is read: inventory's.
const SCHEMA: &str = "inventory";

impl Settings {
    /// Reads them from the environment.
    ///
    /// # Errors
    /// When one is missing or cannot be read.
    pub fn from_env() -> Result<Self, SettingsError> {
        let query_timeout_ms = at_least_one("QUERY_TIMEOUT_MS", 2_000)?;
        Ok(Self {
            pool: PostgresSettings::from_env(SCHEMA)?.pool()?,
            query_timeout: Duration::from_millis(query_timeout_ms as u64),
            topic_prefix: settings::optional("KAFKA_PREFIX").unwrap_or_default(),
            http: HttpSettings::from_env()?,
        })
    }
}

impl HttpSettings {
    fn from_env() -> Result<Self, SettingsError> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let address = ([127, 0, 0, 1], 8081).into();
        Ok(Self {
            address: settings::parsed("HTTP_ADDR", address, "an address like 0.0.0.0:8081")?,
            workers: at_least_one("HTTP_WORKERS", cores)?,
            connections_max: at_least_one("HTTP_CONNECTIONS_MAX", 4096)?,
            waiters_max: at_least_one("HTTP_WAITERS_MAX", 1000)?,
            shutdown: Duration::from_secs(at_least_one("SHUTDOWN_SECONDS", 20)? as u64),
        })
    }
}

/// More is a mistake.
const HIGHEST: usize = 1_000_000;

fn at_least_one(name: &'static str, default: usize) -> Result<usize, SettingsError> {
    let expected = "a whole number from 1 to 1000000";
    match settings::parsed(name, default, expected)? {
        number @ 1..=HIGHEST => Ok(number),
        _ => Err(SettingsError::Invalid(name, expected)),
    }
}
