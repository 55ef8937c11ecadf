//! One try to deliver one mail, from its row to what became of it. Writes nothing to the ledger.

use std::sync::Arc;
use std::time::Instant;

use crate::claim::{Claimed, Fate, Settlement};
use crate::evidence::{Refusal, Sort};
use crate::letter::{ComposeError, Letter, compose};
use crate::mailer::{Connection, Delivery};
use crate::metrics;
use crate::post::Post;
use crate::verdict::Verdict;

/// What it needs, all its own: it may outlast the courier's patience.
pub(crate) struct Attempt {
    pub(crate) post: Arc<Post>,
    pub(crate) mail: Claimed,
    pub(crate) connection: Option<Connection>,
}

/// What came of it.
pub(crate) struct Attempted {
    pub(crate) settlement: Settlement,
    /// Good for more mails.
    pub(crate) connection: Option<Connection>,
    /// The server takes no mail now.
    pub(crate) away: bool,
    /// Something was said to the server.
    pub(crate) spoke: bool,
}

impl Attempt {
    pub(crate) async fn make(mut self) -> Attempted {
        let letter = compose(&self.mail, &self.post.templates, &self.post.settings.from);
        let (settlement, spoke) = match letter {
            _ if self.mail.too_old => (self.mail.settled(Fate::Withheld).because("too-old"), false),
            Ok(letter) => (self.send(&letter).await, true),
            Err(error) => (self.not_composed(&error), false),
        };
        metrics::settled(settlement.fate);
        let away = matches!(settlement.fate, Fate::Returned | Fate::Held);
        Attempted { settlement, connection: self.connection, away, spoke }
    }

    async fn send(&mut self, letter: &Letter) -> Settlement {
        let begun = Instant::now();
        let delivery = self.deliver(letter).await;
        metrics::handed_over(begun.elapsed());
        let fate = self.fate(letter, &delivery);
        if matches!(fate, Fate::Bounced | Fate::Unknown) {
            let (outcome, reply) = (fate.outcome(), &delivery.reply);
            tracing::warn!(event.id = %self.mail.event_id, outcome, reply, "mail not delivered");
        }
        let settlement = self.mail.settled(fate);
        let settlement = match (fate, delivery.status) {
            (Fate::Sent, _) => settlement,
            (_, Some(status)) => settlement.because(status),
            (_, None) => settlement.because("no-answer"),
        };
        settlement.saying(delivery.reply)
    }

    /// Hands the mail over; where the connection turns out to be stale, over a new one.
    async fn deliver(&mut self, letter: &Letter) -> Delivery {
        let stale = self.connection.as_ref().is_some_and(Connection::is_used);
        let delivery = self.hand_over(letter).await;
        let not_begun = delivery.verdict == Verdict::NotBegun;
        let tired = delivery.tired && delivery.verdict == Verdict::Deferred;
        if stale && self.connection.is_none() && (not_begun || tired) {
            return self.hand_over(letter).await;
        }
        delivery
    }

    async fn hand_over(&mut self, letter: &Letter) -> Delivery {
        if self.connection.is_none() {
            self.connection = self.post.connect().await;
        }
        let Some(connection) = &mut self.connection else {
            return Delivery::not_begun("the mail server is away");
        };
        let fresh = !connection.is_used();
        let delivery = connection.send(letter).await;
        if connection.is_broken() {
            self.connection = None;
        }
        match delivery.verdict {
            Verdict::NotBegun if fresh || self.connection.is_some() => {
                self.connection = None;
                self.post.away(&delivery.reply);
            }
            // A server may end a connection that it has had for long.
            Verdict::NotBegun | Verdict::Proceed => {}
            Verdict::Sent => self.post.taken(),
            // See `fate`.
            Verdict::Deferred | Verdict::Refused | Verdict::Unknown => {}
        }
        delivery
    }

    fn fate(&mut self, letter: &Letter, delivery: &Delivery) -> Fate {
        match delivery.verdict {
            Verdict::Sent => Fate::Sent,
            Verdict::NotBegun => Fate::Returned,
            Verdict::Refused | Verdict::Deferred if self.is_about_us(letter, delivery) => {
                Fate::Held
            }
            Verdict::Refused => Fate::Bounced,
            Verdict::Deferred => self.deferred(),
            Verdict::Unknown => {
                self.is_about_us(letter, delivery);
                Fate::Unknown
            }
            // It ends no mail; where it did, nothing would be known of it.
            Verdict::Proceed => Fate::Unknown,
        }
    }

    /// Whether a mail that did not arrive says something of us, together with those before it.
    fn is_about_us(&mut self, letter: &Letter, delivery: &Delivery) -> bool {
        let sort = match (delivery.verdict, delivery.status) {
            (Verdict::Unknown, _) => Sort::Unheard,
            (_, Some(status)) => Sort::Refused(status),
            (_, None) => Sort::Silence,
        };
        let refusal = Refusal::new(self.mail.claim, letter.to.as_ref());
        let about_us = self.post.refused(sort, refusal, self.mail.held, &delivery.reply);
        if about_us {
            self.connection = None;
        }
        about_us
    }

    fn deferred(&self) -> Fate {
        let wait = self.post.settings.retry_after(self.mail.attempts, self.mail.event_id);
        wait.map_or(Fate::Bounced, Fate::Deferred)
    }

    fn not_composed(&self, error: &ComposeError) -> Settlement {
        tracing::warn!(event.id = %self.mail.event_id, %error, "mail not composed");
        let (fate, cause) = match error {
            ComposeError::Nobody => (Fate::Withheld, "no-contact"),
            ComposeError::Address => (Fate::Bounced, "no-address"),
            // A defect of ours: a later release may do better.
            ComposeError::Kind | ComposeError::Template(_) | ComposeError::Message(_) => {
                (self.deferred(), "not-composed")
            }
        };
        self.mail.settled(fate).because(cause).saying(error.to_string())
    }
}
