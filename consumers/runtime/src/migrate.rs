//! Brings a projection's schema up to date: the runtime's tables, then the consumer's own.

use sqlx::migrate::{MigrateError, Migrator};
use sqlx::{Executor, PgPool};

static RUNTIME: Migrator = sqlx::migrate!("./migrations");

/// Runs what has not been run. Safe to run from several places at once, and again.
///
/// # Errors
/// When the database is away or a migration that has been run was edited.
pub async fn migrate(pool: &PgPool, own: &Migrator) -> Result<(), MigrateError> {
    run(pool, &RUNTIME, "_migrations_runtime").await?;
    run(pool, own, "_migrations").await
}

async fn run(pool: &PgPool, source: &Migrator, table: &'static str) -> Result<(), MigrateError> {
    let mut migrator = Migrator::with_migrations(source.migrations.to_vec());
    migrator.dangerous_set_table_name(table);
    let mut session = pool.acquire().await?.detach();
    // An index over a large table takes longer than a service's statement may.
    session.execute("SET statement_timeout = 0").await?;
    migrator.run(&mut session).await
}
