//! The projection's database: connections, deadlines, and whether it is there. Knows no table but
//! the one that it looks for.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use chassis::health::Dependency;
use futures::future::BoxFuture;
use futures::{FutureExt, TryFutureExt};
use postgres_client::{Purpose, guarded};
use sqlx::pool::PoolConnection;
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, PgConnection, PgPool, Postgres};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, timeout};

/// A connection that is not free within this time will not make the request faster.
const ACQUIRE: Duration = Duration::from_millis(500);
/// The longest that the connections may take to close.
const HANG_UP: Duration = Duration::from_secs(2);
/// Between two looks at the database, whether it is there or not.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// A look that takes this long has failed.
const LOOK: Duration = Duration::from_secs(2);
/// A connection of its own is made anew after this time: one to a server that was demoted would go on
/// telling how things were.
const LINE: Duration = Duration::from_secs(6);

/// Why a request cannot be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unavailable {
    /// The database does not answer.
    Down,
    /// More requests than connections, or a statement was given up.
    Overloaded,
    /// The statement is wrong, or the tables are.
    Defect,
}

/// A read on its way.
pub(crate) type Reading<'c, T> = BoxFuture<'c, Result<T, sqlx::Error>>;

/// Clones share it.
#[derive(Clone)]
pub(crate) struct Database {
    pool: PgPool,
    is_up: Arc<AtomicBool>,
    /// What the pool's connections answered, were it that a statement takes too long.
    answered: Arc<AtomicU64>,
    statement: Duration,
    patient: Arc<Semaphore>,
}

impl Database {
    /// With these deadlines instead of those of a consumer. Down until it was looked at.
    pub(crate) fn new(pool: &PgPool, statement: Duration) -> Self {
        let millis = statement.as_millis().to_string();
        let session =
            pool.connect_options().as_ref().clone().application_name("query-api").options([
                ("statement_timeout", millis.as_str()),
                ("default_transaction_read_only", "on"),
            ]);
        let options = guarded(pool.options().clone(), Purpose::Reads).acquire_timeout(ACQUIRE);
        let patient = (options.get_max_connections() / 2).max(1);
        let pool = options.connect_lazy_with(session);
        let patient = Arc::new(Semaphore::new(patient as usize));
        Self { pool, is_up: Arc::default(), answered: Arc::default(), statement, patient }
    }

    /// Runs a read. While the database is away this fails at once, without trying; a connection
    /// that died is replaced, and the read is run again.
    pub(crate) async fn read<T>(
        &self,
        work: impl for<'c> Fn(&'c mut PgConnection) -> Reading<'c, T>,
    ) -> Result<T, Unavailable> {
        if !self.is_up() {
            return Err(Unavailable::Down);
        }
        self.try_read(&work).await
    }

    async fn try_read<T>(
        &self,
        work: &impl for<'c> Fn(&'c mut PgConnection) -> Reading<'c, T>,
    ) -> Result<T, Unavailable> {
        let deadline = Instant::now() + ACQUIRE + self.statement;
        // The server gives a statement up first, unless it does not answer at all.
        let answer = tokio::time::timeout_at(deadline, self.attempt(work)).await;
        answer.unwrap_or(Err(Unavailable::Overloaded))
    }

    /// As [`Database::read`], for those who have waited already: they come all at once, and stand in
    /// line for half of the connections instead of being too many.
    pub(crate) async fn read_in_turn<T>(
        &self,
        work: impl for<'c> Fn(&'c mut PgConnection) -> Reading<'c, T>,
    ) -> Result<T, Unavailable> {
        // It is never closed.
        let _turn = self.patient.acquire().await;
        self.read(work).await
    }

    /// Whether it answered when it was looked at last.
    pub(crate) fn is_up(&self) -> bool {
        self.is_up.load(Ordering::Relaxed)
    }

    /// A connection that no crowd of requests can take away.
    pub(crate) fn line(&self) -> Line {
        Line { options: self.pool.connect_options(), connection: None, made: Instant::now() }
    }

    async fn attempt<T>(
        &self,
        work: &impl for<'c> Fn(&'c mut PgConnection) -> Reading<'c, T>,
    ) -> Result<T, Unavailable> {
        loop {
            let mut connection = self.acquire().await?;
            let answer = work(&mut connection).await;
            if !matches!(&answer, Err(error) if error.as_database_error().is_none()) {
                self.answered.fetch_add(1, Ordering::Relaxed);
            }
            let error = match answer {
                Ok(rows) => return Ok(rows),
                Err(error) => error,
            };
            match meaning(&error) {
                // A new connection, if one can be had: others of the pool may be dead as well.
                None => drop(connection.detach()),
                Some(Unavailable::Defect) => {
                    tracing::error!(%error, "a query failed");
                    return Err(Unavailable::Defect);
                }
                Some(why) => return Err(why),
            }
        }
    }

    async fn acquire(&self) -> Result<PoolConnection<Postgres>, Unavailable> {
        self.pool.acquire().await.map_err(|error| match error {
            sqlx::Error::PoolTimedOut => Unavailable::Overloaded,
            error => {
                tracing::debug!(%error, "no connection");
                Unavailable::Down
            }
        })
    }

    /// Hangs up. A connection on which nothing is heard is not waited for.
    pub(crate) async fn close(&self) {
        if timeout(HANG_UP, self.pool.close()).await.is_err() {
            tracing::debug!("a connection to the database did not close in time");
        }
    }

    /// Looks at the database for ever, over the connections that serve: a look beside them would call
    /// ready what cannot answer. While the pool answers requests, a look that fails says nothing.
    pub(crate) async fn watch(self, dependency: Dependency) {
        loop {
            let answered = self.answered.load(Ordering::Relaxed);
            let answers = || self.answered.load(Ordering::Relaxed) != answered;
            let mut looked = self.look().await;
            if looked.is_err() && !answers() {
                // Once more: that one connection died is no outage.
                looked = self.look().await;
            }
            let is_defect = looked == Err(Unavailable::Defect);
            let is_up = looked.is_ok() || (answers() && !is_defect);
            self.is_up.store(is_up, Ordering::Relaxed);
            match is_up {
                true => dependency.up(),
                false if is_defect => dependency
                    .down("inventory's tables are not there, or this role may not read them"),
                false => dependency.down("Postgres does not answer"),
            }
            sleep(LOOK_EVERY).await;
        }
    }

    async fn look(&self) -> Result<(), Unavailable> {
        let looked = timeout(LOOK, self.attempt(&tables)).await;
        looked.unwrap_or(Err(Unavailable::Down))
    }
}

/// Whether the tables of the projection can be read.
fn tables(conn: &mut PgConnection) -> Reading<'_, ()> {
    let all = "SELECT FROM orders, order_lines, products, stock, stock_refusals, positions, \
               parked_subjects LIMIT 0";
    sqlx::query(all).execute(conn).map_ok(drop).boxed()
}

/// A connection of its own, made again after it died.
pub(crate) struct Line {
    options: Arc<PgConnectOptions>,
    connection: Option<PgConnection>,
    made: Instant,
}

impl Line {
    /// Asks once; a failure hangs up.
    pub(crate) async fn ask<T>(
        &mut self,
        question: impl for<'c> FnOnce(&'c mut PgConnection) -> Reading<'c, T>,
    ) -> Result<T, Unavailable> {
        if self.made.elapsed() > LINE {
            self.connection = None;
        }
        let answer = timeout(LOOK, async {
            let connection = match &mut self.connection {
                Some(connection) => connection,
                none => {
                    self.made = Instant::now();
                    none.insert(PgConnection::connect_with(&self.options).await?)
                }
            };
            question(connection).await
        });
        let answer = match answer.await {
            Ok(answer) => answer.map_err(|error| {
                tracing::debug!(%error, "the database does not answer a question");
                meaning(&error).unwrap_or(Unavailable::Down)
            }),
            Err(_) => Err(Unavailable::Down),
        };
        if answer.is_err() {
            self.connection = None;
        }
        answer
    }
}

/// What an error says of the database; `None` where only this connection is known to be broken.
fn meaning(error: &sqlx::Error) -> Option<Unavailable> {
    let Some(code) = error.as_database_error().and_then(|error| error.code()) else {
        return match error {
            sqlx::Error::Io(_) | sqlx::Error::Protocol(_) | sqlx::Error::Tls(_) => None,
            _ => Some(Unavailable::Defect),
        };
    };
    match code.get(..2).unwrap_or_default() {
        // Connection exceptions, and the shutdown or crash of the server.
        "08" => None,
        _ if matches!(&*code, "57P01" | "57P02" | "57P03" | "57P05") => None,
        // Cancelled, no resources left, or a conflict with recovery on a replica.
        "57" | "53" | "40" | "55" => Some(Unavailable::Overloaded),
        _ => Some(Unavailable::Defect),
    }
}
