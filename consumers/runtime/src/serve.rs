//! A consumer's process: the workers, the outbox, the health endpoints, and what runs beside them.
//! Decides nothing.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use chassis::Process;
use postgres_client::{Plans, PostgresSettings};
use sqlx::PgPool;
use sqlx::migrate::Migrator;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::after::{dead_letters, publish, redrive};
use crate::ownership::handover::Handover;
use crate::settings::RuntimeSettings;
use crate::shared::Shared;
use crate::worker::supervise;
use crate::worker::workers::Workers;
use crate::{Projection, grants, migrate};

/// What a part that runs beside the workers is handed.
#[derive(Clone)]
pub struct ServiceContext {
    /// The process: stop when its shutdown is cancelled, report your dependencies to its health.
    pub process: Process,
    /// The projection's own schema.
    pub pool: PgPool,
    /// Notified after every commit of a batch: there may be new rows.
    pub committed: Arc<Notify>,
}

/// A consumer's own tables.
#[derive(Clone, Copy)]
pub struct Tables {
    /// What makes them.
    pub migrations: &'static Migrator,
    /// Who may do what with them: the text of `grants.sql`.
    pub grants: &'static str,
}

/// The whole `main` of a consumer. Without arguments it serves; with `migrate` it brings the schema
/// up to date and ends.
pub fn main<P: Projection>(tables: Tables) -> ExitCode {
    main_with::<P, _, _>(tables, |context| async move {
        context.process.shutdown.cancelled().await;
        Ok(())
    })
}

/// As [`main`], with something of the consumer's own running beside the workers, such as a courier.
pub fn main_with<P, F, R>(tables: Tables, beside: F) -> ExitCode
where
    P: Projection,
    F: FnOnce(ServiceContext) -> R,
    R: Future<Output = anyhow::Result<()>> + Send + 'static,
{
    let command = std::env::args().nth(1);
    chassis::launch(P::NAME, |process| async move {
        let pool = PostgresSettings::from_env(P::NAME)?.pool(Plans::Once)?;
        match command.as_deref() {
            Some("migrate") => migrated::<P>(&pool, tables).await,
            Some(other) => anyhow::bail!("unknown command {other}; there is only `migrate`"),
            None => {
                let context =
                    ServiceContext { process: process.clone(), pool, committed: Arc::default() };
                serve::<P>(context.clone(), beside(context)).await
            }
        }
    })
}

/// As the role that owns the schema: the one that serves may make and change no table.
async fn migrated<P: Projection>(pool: &PgPool, tables: Tables) -> anyhow::Result<()> {
    let name = P::NAME;
    let whose = || format!("migrate needs the owner: `orderctl database url {name} --owner`");
    migrate(pool, tables.migrations).await.with_context(whose)?;
    grants::grant(pool, name, tables.grants).await.with_context(whose)
}

/// Runs every part until shutdown; one that ends in an error ends the process.
async fn serve<P: Projection>(
    context: ServiceContext,
    beside: impl Future<Output = anyhow::Result<()>> + Send + 'static,
) -> anyhow::Result<()> {
    let shutdown = context.process.shutdown.clone();
    // Before anybody can ask: until the parts have named what they hang on, nothing is ready.
    let start = context.process.health.dependency("start");
    let mut parts = JoinSet::new();
    parts.spawn(chassis::probes::serve(context.process.clone())?);
    parts.spawn(beside);
    parts.spawn(async move {
        let settings = RuntimeSettings::from_env()?;
        settings.fit(context.pool.options().get_max_connections())?;
        let Some(shared) = Shared::start::<P>(context, settings).await? else {
            return Ok(());
        };
        start.forget();
        work::<P>(Arc::new(shared)).await
    });
    let mut first = Ok(());
    while let Some(ended) = parts.join_next().await {
        let ended = ended.context("a part of the process panicked").and_then(|ended| ended);
        if ended.is_err() {
            shutdown.cancel();
            first = first.and(ended);
        }
    }
    first
}

/// Runs the workers and, until after they have ended, the publisher.
async fn work<P: Projection>(shared: Arc<Shared>) -> anyhow::Result<()> {
    let handover = Arc::new(Handover::new(Arc::clone(&shared.follow_ups)));
    let all = Arc::new(Workers::<P>::new(Arc::clone(&shared), Arc::clone(&handover)));
    let stop_publishing = CancellationToken::new();
    let mut workers = JoinSet::new();
    for index in 0..shared.settings.workers {
        workers.spawn(supervise::keep_working(Arc::clone(&all), index));
    }
    let working = async {
        while let Some(ended) = workers.join_next().await {
            ended.context("a worker panicked")??;
        }
        stop_publishing.cancel();
        Ok(())
    };
    let beside = || (Arc::clone(&shared), Arc::clone(&handover), stop_publishing.clone());
    let publishing = async {
        let (shared, handover, stop) = beside();
        match P::PUBLISHES.is_empty() {
            true => Ok(()),
            false => publish::keep_publishing(shared, handover, stop).await,
        }
    };
    let (copied, handover, stop) = beside();
    let copying = dead_letters::keep_copying(copied, handover, stop);
    let redriving = redrive::keep_redriving::<P>(Arc::clone(&shared));
    tokio::try_join!(working, publishing, copying, redriving)?;
    Ok(())
}
