//! How a pool of Postgres connections is set up. Runs no query of its own.

use std::str::FromStr;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use crate::settings::{self, SettingsError};

/// Which database, as whom, and how many connections.
#[derive(Debug, Clone)]
pub struct PostgresSettings {
    /// `DATABASE_URL`: with the service's own role.
    url: SecretString,
    /// The schema that unqualified names mean.
    schema: String,
    /// `DATABASE_CONNECTIONS_MAX` (default 10): connections of this process at most.
    connections_max: u32,
}

/// A transaction that stands still this long is rolled back by the server: a worker that was
/// stopped in the middle of one must not keep the next owner of its partitions waiting.
const IDLE_IN_TRANSACTION_MS: &str = "5000";
/// Postgres itself takes no more.
const CONNECTIONS: u64 = 262_143;
/// A statement that runs this long is stuck.
const STATEMENT_TIMEOUT_MS: &str = "30000";

impl PostgresSettings {
    /// Reads them from the environment; `schema` is what unqualified names mean.
    ///
    /// # Errors
    /// When `DATABASE_URL` is not set or a number cannot be read.
    pub fn from_env(schema: &str) -> Result<Self, SettingsError> {
        Ok(Self {
            url: settings::secret("DATABASE_URL")?,
            schema: schema.to_owned(),
            connections_max: settings::within("DATABASE_CONNECTIONS_MAX", 10, 1..=CONNECTIONS)?,
        })
    }

    /// A pool that connects when it is first asked, so that a service starts while the database
    /// is away.
    ///
    /// # Errors
    /// When `DATABASE_URL` is no URL of Postgres.
    pub fn pool(&self) -> Result<PgPool, SettingsError> {
        let expected = SettingsError::Invalid("DATABASE_URL", "a URL like postgres://user@host/db");
        let options = PgConnectOptions::from_str(self.url.expose_secret()).map_err(|_| expected)?;
        Ok(pool_options(self.connections_max).connect_lazy_with(session(options, &self.schema)))
    }
}

/// The settings of a pool.
pub fn pool_options(connections_max: u32) -> PgPoolOptions {
    PgPoolOptions::new()
        .max_connections(connections_max)
        .acquire_timeout(Duration::from_secs(5))
        // A ping before each use halves the rate of small queries; a dead connection shows itself
        // in the first query, which is retried as any outage is.
        .test_before_acquire(false)
}

/// The settings of each session.
pub fn session(options: PgConnectOptions, schema: &str) -> PgConnectOptions {
    // Quoted, because the name of a consumer group may hold a hyphen.
    let quoted = format!("\"{schema}\"");
    options.application_name(schema).options([
        ("search_path", quoted.as_str()),
        ("idle_in_transaction_session_timeout", IDLE_IN_TRANSACTION_MS),
        ("statement_timeout", STATEMENT_TIMEOUT_MS),
        ("timezone", "UTC"),
        // A plan that was made while a table was empty reads all of it for every row of a batch
        // once it is not. Planning a batch's few statements anew costs less than a millisecond.
        ("plan_cache_mode", "force_custom_plan"),
    ])
}
