//! How a pool of Postgres connections is set up, and which of its connections are lent again. Runs no
//! query but those that look whether a connection is of use.

use std::io::ErrorKind;
use std::str::FromStr;
use std::time::Duration;

use chassis::settings::{self, SettingsError};
use secrecy::{ExposeSecret, SecretString};
use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use crate::verdict;

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
const STATEMENT_TIMEOUT_MS: &str = "4000";
/// Which the server applies to its side of a connection, so that it lets go of the locks of a client
/// that is gone: the first sign of life is asked for after 10 s, what was sent must be acknowledged
/// within 10 s, and a statement looks each second whether anybody still waits for it.
const PEER_IS_THERE: [(&str, &str); 5] = [
    ("tcp_keepalives_idle", "10"),
    ("tcp_keepalives_interval", "5"),
    ("tcp_keepalives_count", "3"),
    ("tcp_user_timeout", "10000"),
    ("client_connection_check_interval", "1000"),
];

/// The longest that a conversation of a few statements may take, with getting a connection for it:
/// longer than any statement, so that the server gives up first where it answers at all.
pub const CONVERSATION: Duration = Duration::from_secs(5);
/// The longest that a connection is waited for.
const ACQUIRE: Duration = Duration::from_secs(3);

/// Ends a conversation with Postgres that takes longer than `limit`: every one goes through here, for
/// a connection may be alive and useless. Its connection is looked at when it comes back to the pool,
/// and closed if it is of no use any more.
///
/// # Errors
/// Those of the conversation, and [`sqlx::Error::Io`] of kind `TimedOut`.
pub async fn within<T, E: From<sqlx::Error>>(
    limit: Duration,
    conversation: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    match tokio::time::timeout(limit, conversation).await {
        Ok(ended) => ended,
        Err(_) => Err(sqlx::Error::Io(ErrorKind::TimedOut.into()).into()),
    }
}

/// What the sessions of a pool are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// A server that only reads, such as one that was demoted, is of no use.
    Writes,
    /// Any server will do that is up to date. One that was demoted says nothing that would tell it
    /// from a replica, so sessions are made anew often.
    Reads,
}

/// How the statements of a pool's sessions are planned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plans {
    /// Anew each time, for the values that it is run with.
    EachTime,
    /// Once per session, and never for a whole table: a statement names the keys of its rows and finds
    /// each by an index, however many there are (docs/decisions/0012). Where the planner still has a
    /// choice, as in an update that joins, the statement is not to be kept (`persistent(false)`).
    Once,
}

impl Plans {
    fn options(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::EachTime => &[("plan_cache_mode", "force_custom_plan")],
            Self::Once => &[
                ("plan_cache_mode", "force_generic_plan"),
                // What is best while a table is empty reads all of it once it is not.
                ("enable_seqscan", "off"),
                ("enable_hashjoin", "off"),
                ("enable_mergejoin", "off"),
                ("enable_material", "off"),
            ],
        }
    }
}

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
    pub fn pool(&self, plans: Plans) -> Result<PgPool, SettingsError> {
        let expected = SettingsError::Invalid("DATABASE_URL", "a URL like postgres://user@host/db");
        let options = PgConnectOptions::from_str(self.url.expose_secret()).map_err(|_| expected)?;
        let session = session(options, &self.schema, plans);
        Ok(pool_options(self.connections_max).connect_lazy_with(session))
    }
}

/// The settings of a pool.
pub fn pool_options(connections_max: u32) -> PgPoolOptions {
    let options = PgPoolOptions::new().max_connections(connections_max).acquire_timeout(ACQUIRE);
    guarded(options, Purpose::Writes)
}

/// Lends a connection only while it is of use: `verdict.rs` says when. sqlx's own look has no limit, so
/// a silent connection would keep its place in the pool for ever (sqlx issues 4349 and 4407).
pub fn guarded(options: PgPoolOptions, purpose: Purpose) -> PgPoolOptions {
    verdict::guarded(options, purpose)
}

/// The settings of each session.
pub fn session(options: PgConnectOptions, schema: &str, plans: Plans) -> PgConnectOptions {
    // Quoted, because the name of a consumer group may hold a hyphen.
    let quoted = format!("\"{schema}\"");
    let options = options.application_name(schema).options(PEER_IS_THERE);
    options.options(plans.options().iter().copied()).options([
        ("search_path", quoted.as_str()),
        ("idle_in_transaction_session_timeout", IDLE_IN_TRANSACTION_MS),
        ("statement_timeout", STATEMENT_TIMEOUT_MS),
        ("timezone", "UTC"),
    ])
}
