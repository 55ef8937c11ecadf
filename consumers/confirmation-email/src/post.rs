//! What the couriers of a process share: the ledger, the templates, and what is known of the mail
//! server. Sends nothing.

use std::time::Duration;

use chassis::health::{Dependency, Health};
use lettre::transport::smtp::extension::ClientId;
use runtime::Circuit;
use sqlx::PgPool;
use tokio::sync::Notify;

use crate::mailer::{ConnectError, Connection};
use crate::metrics;
use crate::settings::MailSettings;
use crate::template::Templates;

/// Between two probes of a mail server that is away.
const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(30);
const NAME: &str = "confirmation-email";

/// Shared by the couriers of a process.
pub struct Post {
    pub(crate) pool: PgPool,
    pub(crate) settings: MailSettings,
    pub(crate) templates: Templates,
    /// There is work for one more courier.
    pub more: Notify,
    hello: ClientId,
    circuit: Circuit,
    smtp: Dependency,
}

impl Post {
    /// Reports the mail server's state to `health` as `smtp`.
    ///
    /// # Errors
    /// When a template of this build cannot be parsed.
    pub fn new(pool: PgPool, settings: MailSettings, health: &Health) -> anyhow::Result<Self> {
        Ok(Self {
            pool,
            templates: Templates::new()?,
            more: Notify::new(),
            hello: ClientId::Domain(settings.from.email.domain().to_owned()),
            settings,
            circuit: Circuit::unproven(NAME, "smtp", FIRST_WAIT, LONGEST_WAIT),
            smtp: health.dependency("smtp"),
        })
    }

    /// Whether the mail server is taken to be there.
    pub fn is_open(&self) -> bool {
        self.circuit.is_closed()
    }

    /// A connection, unless the server is away and it is not time for a probe.
    pub(crate) async fn connect(&self) -> Option<Connection> {
        let probe_max = self.settings.connect_max();
        if !self.circuit.permits(probe_max) {
            return None;
        }
        match Connection::open(&self.settings.server, &self.hello, probe_max).await {
            Ok(connection) => {
                self.circuit.connected();
                self.smtp.up();
                metrics::connected();
                metrics::away(false);
                Some(connection)
            }
            Err(error) => {
                self.away(&describe(&error));
                None
            }
        }
    }

    /// The server is good for no mail now.
    pub(crate) fn away(&self, reason: &str) {
        self.circuit.failed();
        self.smtp.down(reason);
        metrics::away(true);
    }

    /// The server dealt with a mail.
    pub(crate) fn dealt_with(&self) {
        self.circuit.dealt_with();
    }
}

/// The error with its cause, which tells its own; a mail server's words may stand in it, but no
/// recipient has been named yet.
fn describe(error: &ConnectError) -> String {
    let text = match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    };
    crate::reply::scrub(&text, "")
}
