//! Carries mails from the ledger to the mail server. Decides neither who gets a mail nor what an
//! answer means.

use std::sync::Arc;
use std::time::{Duration, Instant};

use postgres_client::{CONVERSATION, Pinned, within};
use runtime::StoreError;
use sqlx::Connection as _;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

pub use crate::post::Post;
pub use crate::rounds::{run, sweep};

use crate::attempt::{Attempt, Attempted};
use crate::claim::{self, Claimed, Fate, Settlement};
use crate::mailer::Connection;
use crate::metrics;

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
    ledger: Pinned,
    connection: Option<Connection>,
    last_mail: Instant,
    /// What became of mails and is not written yet: not to be lost while we live.
    unsettled: Vec<Settlement>,
    /// Mails whose server takes its time over them.
    late: JoinSet<Attempted>,
    shutdown: CancellationToken,
}

/// A connection without work is closed: servers close it after a few minutes anyway.
const IDLE_MAX: Duration = Duration::from_secs(60);
/// A mail that takes longer holds up no other: the next goes over another connection.
const PATIENCE: Duration = Duration::from_secs(4);
/// So many of a courier's mails may be late.
const LATE_MAX: usize = 4;

impl Courier {
    /// Without a connection until there is something to send. Once `shutdown` is cancelled it begins
    /// no further mail.
    pub fn new(post: Arc<Post>, shutdown: CancellationToken) -> Self {
        let last_mail = Instant::now();
        let (unsettled, late) = (Vec::new(), JoinSet::new());
        let ledger = Pinned::new(post.pool.clone());
        Self { post, ledger, connection: None, last_mail, unsettled, late, shutdown }
    }

    /// Claims a few due mails, sends them one after the other and writes what became of them.
    ///
    /// # Errors
    /// When the ledger cannot be read or written. What is known of mails is kept and written first
    /// next time.
    pub async fn try_send_next(&mut self) -> Result<Progress, StoreError> {
        while let Some(done) = self.late.try_join_next() {
            self.take_late(done.ok());
        }
        self.retire();
        if self.connection.is_none() {
            self.settle().await?;
        }
        self.post.correct().await?;
        // To ask is cheaper than to claim nothing; with something to settle it comes to the same.
        // While the server is away nothing is claimed; a probe goes out with or without mails.
        if self.unsettled.is_empty() && self.post.is_open() && !self.any_due().await? {
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
        while let Some(done) = self.late.join_next().await {
            self.take_late(done.ok());
        }
        self.settle().await
    }

    async fn any_due(&mut self) -> Result<bool, StoreError> {
        self.ledger.within(CONVERSATION, async |conn| claim::any_due(conn).await).await
    }

    async fn send_batch(&mut self) -> Result<Progress, StoreError> {
        let terms = self.post.terms();
        let begin_before = Instant::now() + terms.lease - self.post.settings.mail_max();
        // One commit settles the last batch and claims the next: it is what costs time here.
        let mut conn = self.ledger.lend().await?;
        let claiming = async {
            let mut transaction = conn.begin().await?;
            claim::settle(&mut transaction, &self.unsettled).await?;
            let mails = claim::claim(&mut transaction, terms).await?;
            Ok::<_, StoreError>((transaction, mails))
        };
        let (transaction, mails) = within(CONVERSATION, claiming).await?;
        let claimed = mails.len() as i64;
        // The ledger says `sending` before the first byte goes out: whatever happens from here on, no
        // mail goes out twice.
        if let Err(error) = within(CONVERSATION, transaction.commit()).await {
            self.give_back(&mails);
            return Err(error.into());
        }
        self.ledger.keep(conn);
        self.unsettled.clear();
        if claimed == terms.count {
            self.post.more.notify_one();
        }
        let progress = self.send_all(mails, begin_before).await;
        let more_to_come = claimed == terms.count && progress == Progress::Sent;
        if !more_to_come {
            self.settle().await?;
            self.post.correct().await?;
        }
        if claimed == 0 && terms.probe {
            self.post.not_asked();
        }
        Ok(if claimed == 0 { Progress::Empty } else { progress })
    }

    /// A commit that failed may have happened, and only its answer have been lost. Where it did not
    /// happen, the claims do not exist and there is nothing to give back.
    fn give_back(&mut self, mails: &[Claimed]) {
        for mail in mails {
            metrics::settled(Fate::Returned);
            self.unsettled.push(mail.settled(Fate::Returned));
        }
    }

    async fn send_all(&mut self, mails: Vec<Claimed>, begin_before: Instant) -> Progress {
        let mut progress = Progress::Sent;
        for mail in mails {
            let begin = progress == Progress::Sent
                && !self.shutdown.is_cancelled()
                && Instant::now() < begin_before;
            if !begin {
                self.give_back(&[mail]);
            } else if self.send(mail).await {
                progress = Progress::Deferred;
            }
        }
        progress
    }

    /// Sends one mail, or leaves it to itself once it takes too long. Whether the server takes none.
    async fn send(&mut self, mail: Claimed) -> bool {
        let connection = self.connection.take();
        let attempt = Attempt { post: self.post.clone(), mail, connection };
        let mut attempt = Box::pin(attempt.make());
        let made = if self.late.len() < LATE_MAX {
            timeout(PATIENCE, &mut attempt).await.ok()
        } else {
            Some(attempt.as_mut().await)
        };
        let Some(attempted) = made else {
            self.late.spawn(attempt);
            return false;
        };
        if attempted.spoke {
            self.last_mail = Instant::now();
        }
        self.connection = attempted.connection;
        self.unsettled.push(attempted.settlement);
        attempted.away
    }

    fn take_late(&mut self, done: Option<Attempted>) {
        let Some(done) = done else {
            // Of one whose task died nothing is known, as the ledger will say.
            return;
        };
        self.unsettled.push(done.settlement);
        if self.connection.is_none() {
            self.connection = done.connection;
        }
    }

    async fn settle(&mut self) -> Result<(), StoreError> {
        if !self.unsettled.is_empty() {
            let settling = async |conn: &mut _| claim::settle(conn, &self.unsettled).await;
            self.ledger.within(CONVERSATION, settling).await?;
            self.unsettled.clear();
        }
        Ok(())
    }

    /// Gives up a connection that has had its time, or whose server was found to refuse us: it has to
    /// ask for the next like everybody.
    fn retire(&mut self) {
        let retires =
            self.post.is_refused() || self.connection.as_ref().is_some_and(Connection::is_old);
        if retires && let Some(connection) = self.connection.take() {
            tokio::spawn(connection.close());
        }
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
