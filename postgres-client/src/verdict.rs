//! Whether a connection may be lent again, or is closed. Makes none and retries nothing.

use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use sqlx::PgConnection;
use sqlx::pool::PoolConnectionMetadata;
use sqlx::postgres::PgPoolOptions;

use crate::pool::Purpose;

/// A connection that is of use answers within this time, also on a busy machine.
const LOOK: Duration = Duration::from_secs(1);
/// One that came back this recently needs no look: a busy pool pays nothing before a conversation.
pub(super) const FRESH: Duration = Duration::from_millis(500);

/// What a pool knows of its connections.
struct Verdict {
    purpose: Purpose,
    begun: Instant,
    /// Milliseconds after `begun`: a connection that was made before then is not believed. Where one is
    /// silent or its server was demoted, those beside it are no better.
    suspect_before: AtomicU64,
}

pub(super) fn guarded(options: PgPoolOptions, purpose: Purpose) -> PgPoolOptions {
    let begun = Instant::now();
    let verdict = Arc::new(Verdict { purpose, begun, suspect_before: AtomicU64::new(0) });
    let lending = Arc::clone(&verdict);
    options
        .max_lifetime(purpose.lifetime())
        // Ours has a limit, and is asked only of a connection that lay idle.
        .test_before_acquire(false)
        .before_acquire(move |connection, known| {
            let verdict = Arc::clone(&lending);
            Box::pin(async move { verdict.of(connection, known, FRESH).await })
        })
        // A conversation that was given up left an answer behind that may never come.
        .after_release(move |connection, known| {
            let verdict = Arc::clone(&verdict);
            Box::pin(async move { verdict.of(connection, known, Duration::ZERO).await })
        })
}

impl Purpose {
    fn lifetime(self) -> Duration {
        match self {
            Self::Writes => Duration::from_secs(60),
            // So old can what a demoted server says become, before its successor is asked.
            Self::Reads => Duration::from_secs(6),
        }
    }
}

impl Verdict {
    /// Whether the connection is of use. One that lay idle for less than `fresh` is not looked at.
    async fn of(
        &self,
        connection: &mut PgConnection,
        known: PoolConnectionMetadata,
        fresh: Duration,
    ) -> Result<bool, sqlx::Error> {
        if self.is_suspect(known.age) {
            return Err(useless());
        }
        if known.idle_for < fresh {
            return Ok(true);
        }
        self.look(connection).await
    }

    /// An error closes it without a word: whoever is silent is not waited for.
    async fn look(&self, connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
        let looked = tokio::time::timeout(LOOK, is_of_use(connection, self.purpose));
        let looked = looked.await.unwrap_or_else(|_| Err(useless()));
        if !matches!(looked, Ok(true)) {
            self.suspect_before.store(self.now() + 1, Ordering::Relaxed);
        }
        looked
    }

    fn now(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn is_suspect(&self, age: Duration) -> bool {
        let made = self.begun.elapsed().saturating_sub(age).as_millis();
        made < u128::from(self.suspect_before.load(Ordering::Relaxed))
    }
}

/// Fails where a transaction has failed and was not ended.
async fn is_of_use(connection: &mut PgConnection, purpose: Purpose) -> Result<bool, sqlx::Error> {
    let question = match purpose {
        Purpose::Reads => "SELECT true",
        Purpose::Writes => {
            "SELECT NOT pg_is_in_recovery() AND NOT current_setting('transaction_read_only')::bool"
        }
    };
    sqlx::query_scalar(question).fetch_one(connection).await
}

fn useless() -> sqlx::Error {
    sqlx::Error::Io(ErrorKind::TimedOut.into())
}
