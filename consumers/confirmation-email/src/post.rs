//! What the couriers of a process share: the ledger, the templates, and what is known of the mail
//! server. Sends nothing.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use chassis::backoff::Backoff;
use chassis::health::{Dependency, Health};
use runtime::{CircuitBreaker, StoreError};
use sqlx::PgPool;
use tokio::sync::Notify;
use uuid::Uuid;

use crate::claim::{self, Terms};
use crate::connecting;
use crate::evidence::{Evidence, Finding, Refusal, Sort};
use crate::mailer::Connection;
use crate::metrics;
use crate::settings::MailSettings;
use crate::smtp::ConnectError;
use crate::template::Templates;

/// Between two probes of a mail server that is away.
const PROBES: Backoff =
    Backoff { first: Duration::from_millis(500), longest: Duration::from_secs(5) };
const NAME: &str = "confirmation-email";

/// Shared by the couriers of a process.
pub struct Post {
    pub(crate) pool: PgPool,
    pub(crate) settings: MailSettings,
    pub(crate) templates: Templates,
    /// There is work for one more courier.
    pub more: Notify,
    circuit_breaker: CircuitBreaker,
    smtp: Dependency,
    evidence: Mutex<Evidence>,
    /// Claims whose mails were given up by mistake.
    mistaken: Mutex<Vec<(Uuid, Instant)>>,
    /// The server takes mails again, or for the first time: what was held is due.
    release: AtomicBool,
    proven: AtomicBool,
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
            settings,
            circuit_breaker: CircuitBreaker::unproven(NAME, "smtp", PROBES),
            smtp: health.dependency("smtp"),
            evidence: Mutex::default(),
            mistaken: Mutex::default(),
            release: AtomicBool::new(false),
            proven: AtomicBool::new(false),
        })
    }

    /// Whether the mail server is taken to be there.
    pub fn is_open(&self) -> bool {
        self.circuit_breaker.is_closed()
    }

    /// Whether the server was found to refuse us: it is asked about one mail at a time.
    pub(crate) fn is_refused(&self) -> bool {
        lock(&self.evidence).is_about_us()
    }

    /// Which mails a courier may claim now.
    pub(crate) fn terms(&self) -> Terms {
        Terms {
            count: self.settings.batch,
            lease: self.settings.lease(),
            max_age: self.settings.max_age,
            probe: self.is_refused(),
        }
    }

    /// A connection, unless the server is away and it is not time for a probe.
    pub(crate) async fn connect(&self) -> Option<Connection> {
        if !self.circuit_breaker.permits(self.settings.connect_max()) {
            return None;
        }
        match connecting::connect(&self.settings).await {
            Ok(connection) => {
                metrics::connected();
                // That it takes a connection of ours does not say that it takes a mail.
                if !self.is_refused() {
                    self.circuit_breaker.connected();
                    self.there();
                }
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
        self.circuit_breaker.failed();
        self.smtp.down(reason);
        metrics::away(true);
    }

    /// There was no mail to ask the server about.
    pub(crate) fn not_asked(&self) {
        self.circuit_breaker.failed();
    }

    /// The server took a mail.
    pub(crate) fn taken(&self) {
        let refused_us = lock(&self.evidence).taken();
        let first = !self.proven.swap(true, Ordering::Relaxed);
        self.circuit_breaker.dealt_with();
        if refused_us || first {
            self.there();
            self.release.store(true, Ordering::Release);
        }
    }

    /// The server did not take a mail, `again` where it did not before and that was held to be about
    /// us. Whether it is about us.
    pub(crate) fn refused(&self, sort: Sort, refusal: Refusal, again: bool, reply: &str) -> bool {
        let finding = lock(&self.evidence).refused(sort, refusal, again);
        match finding {
            Finding::AboutThem => {
                self.circuit_breaker.dealt_with();
                false
            }
            Finding::AboutUs(mistaken) => {
                self.away(reply);
                let now = Instant::now();
                lock(&self.mistaken).extend(mistaken.into_iter().map(|claim| (claim, now)));
                true
            }
        }
    }

    /// Corrects the ledger where refusals turned out to be about us, or no longer to be.
    ///
    /// # Errors
    /// When the ledger cannot be written: it is tried again next time.
    pub(crate) async fn correct(&self) -> Result<(), StoreError> {
        let mistaken: Vec<Uuid> = lock(&self.mistaken).iter().map(|(claim, _)| *claim).collect();
        if !mistaken.is_empty() {
            let done = claim::reprieve(&self.pool, &mistaken).await?;
            metrics::reprieved(done.len() as u64);
            // Whoever has not written its claim's end by then is gone, and the mail is unknown.
            let lease = self.settings.lease();
            let open =
                |(claim, since): &(Uuid, Instant)| !done.contains(claim) && since.elapsed() < lease;
            lock(&self.mistaken).retain(open);
        }
        if self.release.swap(false, Ordering::Acquire) {
            match claim::release(&self.pool).await {
                Ok(0) => {}
                Ok(_) => self.more.notify_waiters(),
                Err(error) => {
                    self.release.store(true, Ordering::Release);
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    fn there(&self) {
        self.smtp.up();
        metrics::away(false);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A mail server's words may stand in it, but no recipient has been named yet.
fn describe(error: &ConnectError) -> String {
    crate::reply::scrub(&error.to_string(), "")
}
