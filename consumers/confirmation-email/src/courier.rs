//! Carries mails from the ledger to the mail server. Decides neither who gets a mail nor what an
//! answer means.

use std::sync::Arc;
use std::time::{Duration, Instant};

use runtime::StoreError;
use tokio_util::sync::CancellationToken;

pub use crate::post::Post;
pub use crate::rounds::{run, sweep};

use crate::claim::{self, Claimed, Fate, Settlement};
use crate::faults;
use crate::letter::{ComposeError, Letter, compose};
use crate::mailer::{Connection, Delivery};
use crate::metrics;
use crate::verdict::Verdict;

/// What came of one try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Mails were handed over, or settled otherwise. There may be more.
    Sent,
    /// No mail is due.
    Empty,
    /// The mail server is away: what was claimed is queued again.
    Deferred,
}

/// Sends mails over one connection, which it keeps.
pub struct Courier {
    post: Arc<Post>,
    connection: Option<Connection>,
    last_mail: Instant,
    /// What became of mails and is not written yet: not to be lost while we live.
    unsettled: Vec<Settlement>,
    shutdown: CancellationToken,
}

/// A connection without work is closed: servers close it after a few minutes anyway.
const IDLE_MAX: Duration = Duration::from_secs(60);

impl Courier {
    /// Without a connection until there is something to send. Once `shutdown` is cancelled it begins
    /// no further mail.
    pub fn new(post: Arc<Post>, shutdown: CancellationToken) -> Self {
        let last_mail = Instant::now();
        Self { post, connection: None, last_mail, unsettled: Vec::new(), shutdown }
    }

    /// Claims a few due mails, sends them one after the other and writes what became of them.
    ///
    /// # Errors
    /// When the ledger cannot be read or written. What is known of mails is kept and written first
    /// next time.
    pub async fn try_send_next(&mut self) -> Result<Progress, StoreError> {
        if self.connection.is_none() {
            self.settle().await?;
        }
        // To ask is cheaper than to claim nothing; with something to settle it comes to the same.
        // While the server is away nothing is claimed; a probe goes out with or without mails.
        if self.unsettled.is_empty()
            && self.post.is_open()
            && !claim::any_due(&self.post.pool).await?
        {
            self.rest().await;
            return Ok(Progress::Empty);
        }
        if self.connection.is_none() {
            self.connection = self.post.connect().await;
            if self.connection.is_none() {
                return Ok(Progress::Deferred);
            }
        }
        self.send_batch().await
    }

    /// Writes what is left to write and takes leave of the mail server.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub async fn finish(mut self) -> Result<(), StoreError> {
        if let Some(connection) = self.connection.take() {
            connection.close().await;
        }
        self.settle().await
    }

    async fn send_batch(&mut self) -> Result<Progress, StoreError> {
        let settings = &self.post.settings;
        let (batch, lease) = (settings.batch, settings.lease());
        let begin_before = Instant::now() + lease - settings.mail_max();
        // One commit settles the last batch and claims the next: it is what costs time here.
        let mut transaction = self.post.pool.begin().await?;
        claim::settle(&mut transaction, &self.unsettled).await?;
        let mails = claim::claim(&mut transaction, batch, lease).await?;
        let progress = if faults::mail_before_ledger() {
            let settled = self.unsettled.len();
            let progress = self.send_all(&mails, begin_before).await;
            transaction.commit().await?;
            self.unsettled.drain(..settled);
            progress
        } else {
            // The ledger says `sending` before the first byte goes out: whatever happens from here
            // on, no mail goes out twice.
            if let Err(error) = transaction.commit().await {
                self.give_back(&mails);
                return Err(error.into());
            }
            self.unsettled.clear();
            if mails.len() as i64 == batch {
                self.post.more.notify_one();
            }
            self.send_all(&mails, begin_before).await
        };
        let more_to_come = mails.len() as i64 == batch && progress == Progress::Sent;
        if !more_to_come {
            self.settle().await?;
        }
        Ok(if mails.is_empty() { Progress::Empty } else { progress })
    }

    /// A commit that failed may have happened, and only its answer have been lost. Where it did not
    /// happen, the claims do not exist and there is nothing to give back.
    fn give_back(&mut self, mails: &[Claimed]) {
        for mail in mails {
            metrics::settled(Fate::Returned);
            self.unsettled.push(mail.settled(Fate::Returned, None));
        }
    }

    async fn send_all(&mut self, mails: &[Claimed], begin_before: Instant) -> Progress {
        let mut progress = Progress::Sent;
        for mail in mails {
            let begin = progress == Progress::Sent
                && !self.shutdown.is_cancelled()
                && Instant::now() < begin_before;
            let (fate, reply) = if begin { self.send(mail).await } else { (Fate::Returned, None) };
            if begin && fate == Fate::Returned {
                progress = Progress::Deferred;
            }
            metrics::settled(fate);
            self.unsettled.push(mail.settled(fate, reply));
        }
        progress
    }

    async fn send(&mut self, mail: &Claimed) -> (Fate, Option<String>) {
        let letter = match compose(mail, &self.post.templates, &self.post.settings.from) {
            Ok(letter) => letter,
            Err(error) => return (self.not_composed(mail, &error), Some(error.to_string())),
        };
        let begun = Instant::now();
        let delivery = self.deliver(&letter).await;
        metrics::handed_over(begun.elapsed());
        let fate = self.fate(mail, delivery.verdict);
        if matches!(fate, Fate::Bounced | Fate::Unknown) {
            let (outcome, reply) = (fate.outcome(), &delivery.reply);
            tracing::warn!(event.id = %mail.event_id, outcome, reply, "mail not delivered");
        }
        (fate, Some(delivery.reply))
    }

    /// Hands the mail over; where the connection turns out to be stale, over a new one.
    async fn deliver(&mut self, letter: &Letter) -> Delivery {
        let stale = self.connection.as_ref().is_some_and(Connection::is_used);
        let delivery = self.hand_over(letter).await;
        if stale && delivery.verdict == Verdict::NotBegun && self.connection.is_none() {
            return self.hand_over(letter).await;
        }
        delivery
    }

    async fn hand_over(&mut self, letter: &Letter) -> Delivery {
        if self.connection.is_none() {
            self.connection = self.post.connect().await;
        }
        let Some(connection) = &mut self.connection else {
            let reply = "the mail server is away".to_owned();
            return Delivery { verdict: Verdict::NotBegun, reply };
        };
        let fresh = !connection.is_used();
        let delivery = connection.send(letter).await;
        self.last_mail = Instant::now();
        if connection.is_broken() {
            self.connection = None;
        }
        match delivery.verdict {
            Verdict::NotBegun if fresh || self.connection.is_some() => {
                self.connection = None;
                self.post.away(&delivery.reply);
            }
            // A server may end a connection that it has had for long.
            Verdict::NotBegun | Verdict::Unknown => {}
            _ => self.post.dealt_with(),
        }
        delivery
    }

    fn fate(&self, mail: &Claimed, verdict: Verdict) -> Fate {
        match verdict {
            Verdict::Sent => Fate::Sent,
            Verdict::Bounced => Fate::Bounced,
            Verdict::NotBegun => Fate::Returned,
            Verdict::Deferred => self.deferred(mail),
            // `Proceed` ends no mail; where it did, nothing would be known of it.
            Verdict::Unknown | Verdict::Proceed => Fate::Unknown,
        }
    }

    fn deferred(&self, mail: &Claimed) -> Fate {
        let wait = self.post.settings.backoff.wait(mail.attempts, mail.event_id);
        wait.map_or(Fate::Bounced, Fate::Deferred)
    }

    fn not_composed(&self, mail: &Claimed, error: &ComposeError) -> Fate {
        tracing::warn!(event.id = %mail.event_id, %error, "mail not composed");
        match error {
            ComposeError::Nobody => Fate::Withheld,
            ComposeError::Address => Fate::Bounced,
            // A defect of ours: a later release may do better.
            ComposeError::Kind | ComposeError::Template(_) | ComposeError::Message(_) => {
                self.deferred(mail)
            }
        }
    }

    async fn settle(&mut self) -> Result<(), StoreError> {
        if !self.unsettled.is_empty() {
            claim::settle(&mut *self.post.pool.acquire().await?, &self.unsettled).await?;
            self.unsettled.clear();
        }
        Ok(())
    }

    /// Closes the connection when it has long had nothing to do.
    async fn rest(&mut self) {
        if self.last_mail.elapsed() > IDLE_MAX
            && let Some(connection) = self.connection.take()
        {
            connection.close().await;
        }
    }
}
