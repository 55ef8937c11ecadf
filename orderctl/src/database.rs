//! `database apply|url`: roles and schemas in Postgres. Makes no tables: `<consumer> migrate` does.

#[cfg(test)]
mod isolation_tests;
mod roles;
mod secrets;
#[cfg(test)]
mod silence_tests;

use std::str::FromStr;
use std::time::Duration;

use anyhow::Context;
use chassis::settings::{self, SettingsError};
use clap::{Subcommand, ValueEnum};
use postgres_client::{role_url, within};
use reqwest::Url;
use secrecy::{ExposeSecret, SecretString};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection};

use crate::exit::{Outcome, Usage};
use crate::output;
use crate::projection::Projection;

use roles::Plan;
use secrets::Secrets;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Makes each service's roles and schema, and takes away what is not a role's to touch.
    ///
    /// DATABASE_URL is an administrator's. Each role has a password of its own: the value of
    /// ORDERFLOW_PASSWORD_<ROLE>, such as ORDERFLOW_PASSWORD_INVENTORY_OWNER, or one that is derived
    /// from ORDERFLOW_ROLES_SECRET (default: for local use), which only this command and `url` need.
    /// What a role may do with which table, `<consumer> migrate` grants.
    #[command(after_help = "Example:\n  orderctl database apply")]
    Apply,
    /// Prints the URL with which a service connects.
    #[command(
        after_help = "Examples:\n  DATABASE_URL=$(orderctl database url inventory --owner) inventory migrate\n  DATABASE_URL=$(orderctl database url inventory) inventory"
    )]
    Url {
        /// Which service.
        service: Service,
        /// With the role that owns its tables: for `migrate` only.
        #[arg(long)]
        owner: bool,
    },
}

/// A service with a role of its own.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Service {
    Inventory,
    ConfirmationEmail,
    Analytics,
    QueryApi,
}

impl Service {
    fn name(self) -> &'static str {
        match self {
            Self::Inventory => "inventory",
            Self::ConfirmationEmail => "confirmation-email",
            Self::Analytics => "analytics",
            Self::QueryApi => "query-api",
        }
    }

    /// The role with which it serves, or migrates.
    fn role(self, owner: bool) -> Result<String, Usage> {
        match self {
            Self::QueryApi if owner => Err(Usage("query-api owns no tables".to_owned())),
            _ if owner => Ok(format!("{}-owner", self.name())),
            _ => Ok(self.name().to_owned()),
        }
    }
}

impl Command {
    pub(crate) async fn run(self) -> anyhow::Result<Outcome> {
        match self {
            Self::Apply => apply().await,
            Self::Url { service, owner } => {
                let admin = settings::secret("DATABASE_URL")?;
                let role = service.role(owner)?;
                let password = Secrets::from_env()?.of(&role);
                let usage = || Usage("DATABASE_URL must be a URL that names a host".to_owned());
                output::line(role_url(&admin, &role, &password).ok_or_else(usage)?)?;
                Ok(Outcome::Fine)
            }
        }
    }
}

async fn apply() -> anyhow::Result<Outcome> {
    let secrets = Secrets::from_env()?;
    let plan = Plan::of_the_system(|role| secrets.of(role));
    let mut admin = connect().await?;
    roles::apply(&mut admin, &plan).await?;
    if secrets.are_local && !is_local(&settings::secret("DATABASE_URL")?) {
        tracing::warn!("these passwords are for local use: set ORDERFLOW_ROLES_SECRET");
    }
    for line in plan.describe() {
        output::line(line)?;
    }
    Ok(Outcome::Fine)
}

/// The longest that a connection is waited for.
const CONNECT: Duration = Duration::from_secs(10);
/// The longest that a conversation may take: a table may be large, and a server silent for ever.
pub(crate) const ANSWER: Duration = Duration::from_secs(if cfg!(test) { 5 } else { 120 });

/// Ends a conversation that takes too long.
///
/// # Errors
/// Those of the conversation, or that it took too long.
pub(crate) async fn answered<T, E: From<sqlx::Error>>(
    conversation: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    within(ANSWER, conversation).await
}

/// A connection as DATABASE_URL's administrator.
pub(crate) async fn connect() -> anyhow::Result<PgConnection> {
    let url = settings::secret("DATABASE_URL")?;
    let expected = SettingsError::Invalid("DATABASE_URL", "a URL like postgres://user@host/db");
    let options = PgConnectOptions::from_str(url.expose_secret()).map_err(|_| expected)?;
    // A query over a whole table is slow by its nature: no word about it.
    let options = options.application_name("orderctl").disable_statement_logging();
    let options = options.options([("timezone", "UTC")]);
    let connecting = within(CONNECT, PgConnection::connect_with(&options));
    connecting.await.context("could not connect to the database")
}

/// From now on names are looked up in the projection's own schema.
pub(crate) async fn enter(admin: &mut PgConnection, projection: Projection) -> anyhow::Result<()> {
    // A constant of ours, quoted because it may hold a hyphen.
    let name = projection.name();
    let enter = format!("SET search_path TO \"{name}\"");
    answered(sqlx::raw_sql(AssertSqlSafe(enter)).execute(&mut *admin)).await?;
    let probe = sqlx::query("SELECT 1 FROM audit LIMIT 1");
    answered(probe.execute(admin)).await.with_context(|| {
        format!("could not read schema {name}; has `{name} migrate` of this release been run?")
    })?;
    Ok(())
}

/// Whether the URL is one of this machine.
fn is_local(url: &SecretString) -> bool {
    let url = Url::parse(url.expose_secret()).ok();
    let host = url.as_ref().and_then(Url::host_str);
    host.is_some_and(|host| matches!(host, "localhost" | "127.0.0.1" | "[::1]"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_has_an_owner_of_its_tables_and_query_api_has_none() {
        assert_eq!(Service::Analytics.role(true).unwrap(), "analytics-owner");
        assert_eq!(Service::Analytics.role(false).unwrap(), "analytics");
        assert!(Service::QueryApi.role(true).is_err());
    }
}
