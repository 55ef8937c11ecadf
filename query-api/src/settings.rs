//! What an operator can set. Uses none of it.

use std::time::Duration;

use chassis::settings::{self, SettingsError};
use http_chassis::settings::{HttpDefaults, HttpSettings};
use postgres_client::{Plans, PostgresSettings};
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
    /// `HTTP_WAITERS_MAX` (default 1000): requests that wait for a position at once; the next one is
    /// answered as things are.
    pub waiters_max: usize,
}

// More than 10,000 idle connections fit, also into one worker: they keep nobody out.
const HTTP: HttpDefaults = HttpDefaults { port: 8081, connections_max: 16_384, shutdown_s: 20 };
/// The schema that is read: inventory's.
const SCHEMA: &str = "inventory";

impl Settings {
    /// Reads them from the environment.
    ///
    /// # Errors
    /// When one is missing or cannot be read.
    pub fn from_env() -> Result<Self, SettingsError> {
        let query_timeout_ms = settings::at_least_one("QUERY_TIMEOUT_MS", 2_000)?;
        Ok(Self {
            pool: PostgresSettings::from_env(SCHEMA)?.pool(Plans::EachTime)?,
            query_timeout: Duration::from_millis(query_timeout_ms),
            topic_prefix: settings::optional("KAFKA_PREFIX").unwrap_or_default(),
            http: HttpSettings::from_env(&HTTP)?,
            waiters_max: settings::at_least_one("HTTP_WAITERS_MAX", 1000)?,
        })
    }
}
