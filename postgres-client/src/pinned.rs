//! A connection that stays with one owner from conversation to conversation. Decides nothing of which
//! connections are of use: that is the pool's business, whenever it comes back there.

use std::ops::{Deref, DerefMut};
use std::time::{Duration, Instant};

use sqlx::pool::PoolConnection;
use sqlx::{PgConnection, PgPool, Postgres};

use crate::pool::within;
use crate::verdict::FRESH;

/// A pool looks at the age of its connections when they come back, so none stays away for longer.
const PINNED_MAX: Duration = Duration::from_secs(30);

/// One owner's connection. A pool looks twice at each connection that comes back, which is as much work
/// as a short conversation; one that ended well needs neither look.
///
/// It counts as one of the pool's connections, also while nobody talks.
#[derive(Debug)]
pub struct Pinned {
    pool: PgPool,
    kept: Option<Lent>,
}

impl Pinned {
    /// None yet: the first conversation asks `pool` for one.
    pub fn new(pool: PgPool) -> Self {
        Self { pool, kept: None }
    }

    /// One conversation over it, which ends after `limit`; the connection is kept where it ended well.
    ///
    /// # Errors
    /// Those of [`within`], and of [`Self::lend`].
    pub async fn within<T, E: From<sqlx::Error>>(
        &mut self,
        limit: Duration,
        conversation: impl AsyncFnOnce(&mut PgConnection) -> Result<T, E>,
    ) -> Result<T, E> {
        let answered = async {
            let mut lent = self.lend().await?;
            let answer = conversation(&mut lent).await?;
            self.keep(lent);
            Ok(answer)
        };
        within(limit, answered).await
    }

    /// For a conversation. A connection that was not kept for long is given back to the pool, which
    /// looks at it, and another is asked for.
    ///
    /// # Errors
    /// When the pool has none.
    pub async fn lend(&mut self) -> Result<Lent, sqlx::Error> {
        if let Some(kept) = self.kept.take().filter(Lent::is_fresh) {
            return Ok(kept);
        }
        let connection = self.pool.acquire().await?;
        let now = Instant::now();
        Ok(Lent { connection, pinned_at: now, kept_at: now })
    }

    /// After a conversation that was answered to its end. Whoever is not sure drops it instead: then the
    /// pool finds out. Where it is the pool's last one, it goes back there for the others.
    pub fn keep(&mut self, lent: Lent) {
        if self.pool.num_idle() > 0 || self.pool.size() < self.pool.options().get_max_connections()
        {
            self.kept = Some(Lent { kept_at: Instant::now(), ..lent });
        }
    }
}

/// A connection in the hands of whoever talks.
#[derive(Debug)]
pub struct Lent {
    connection: PoolConnection<Postgres>,
    pinned_at: Instant,
    kept_at: Instant,
}

impl Lent {
    fn is_fresh(&self) -> bool {
        self.kept_at.elapsed() < FRESH && self.pinned_at.elapsed() < PINNED_MAX
    }
}

impl Deref for Lent {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.connection
    }
}

impl DerefMut for Lent {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.connection
    }
}
