//! `database apply|url`: roles and schemas in Postgres. Makes no tables: `<consumer> migrate` does.

#[cfg(test)]
mod isolation_tests;
mod roles;

use std::str::FromStr;

use anyhow::Context;
use chassis::settings::{self, SettingsError};
use clap::{Subcommand, ValueEnum};
use reqwest::Url;
use secrecy::{ExposeSecret, SecretString};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection};

use crate::exit::{Outcome, Usage};
use crate::output;
use crate::projection::Projection;

use roles::Plan;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Makes each service's role and schema, and takes away what is not the role's to touch.
    ///
    /// DATABASE_URL is an administrator's; the roles' password is ORDERFLOW_ROLE_PASSWORD
    /// (default `orderflow`: for local use).
    #[command(after_help = "Example:\n  orderctl database apply")]
    Apply,
    /// Prints the URL with which a service connects.
    #[command(
        after_help = "Example:\n  DATABASE_URL=$(orderctl database url inventory) inventory migrate"
    )]
    Url {
        /// Which service.
        service: Service,
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
    fn role(self) -> &'static str {
        match self {
            Self::Inventory => "inventory",
            Self::ConfirmationEmail => "confirmation-email",
            Self::Analytics => "analytics",
            Self::QueryApi => "query-api",
        }
    }
}

impl Command {
    pub(crate) async fn run(self) -> anyhow::Result<Outcome> {
        match self {
            Self::Apply => apply().await,
            Self::Url { service } => {
                let admin = settings::secret("DATABASE_URL")?;
                output::line(url_of(&admin, service, &password())?)?;
                Ok(Outcome::Fine)
            }
        }
    }
}

async fn apply() -> anyhow::Result<Outcome> {
    let mut admin = connect().await?;
    let plan = Plan::of_the_system();
    roles::apply(&mut admin, &plan, &password()).await?;
    for line in plan.describe() {
        output::line(line)?;
    }
    Ok(Outcome::Fine)
}

/// A connection as DATABASE_URL's administrator.
pub(crate) async fn connect() -> anyhow::Result<PgConnection> {
    let url = settings::secret("DATABASE_URL")?;
    let expected = SettingsError::Invalid("DATABASE_URL", "a URL like postgres://user@host/db");
    let options = PgConnectOptions::from_str(url.expose_secret()).map_err(|_| expected)?;
    // A query over a whole table is slow by its nature: no word about it.
    let options = options.application_name("orderctl").disable_statement_logging();
    let options = options.options([("timezone", "UTC")]);
    PgConnection::connect_with(&options).await.context("could not connect to the database")
}

/// From now on names are looked up in the projection's own schema.
pub(crate) async fn enter(admin: &mut PgConnection, projection: Projection) -> anyhow::Result<()> {
    // A constant of ours, quoted because it may hold a hyphen.
    let name = projection.name();
    let enter = format!("SET search_path TO \"{name}\"");
    sqlx::raw_sql(AssertSqlSafe(enter)).execute(&mut *admin).await?;
    let probe = sqlx::query("SELECT 1 FROM audit LIMIT 1").execute(admin).await;
    probe.with_context(|| {
        format!("could not read schema {name}; has `{name} migrate` of this release been run?")
    })?;
    Ok(())
}

fn password() -> SecretString {
    settings::secret("ORDERFLOW_ROLE_PASSWORD").unwrap_or_else(|_| "orderflow".into())
}

/// The administrator's URL with the service's role and password instead.
fn url_of(
    admin: &SecretString,
    service: Service,
    password: &SecretString,
) -> anyhow::Result<String> {
    let usage = || Usage("DATABASE_URL must be a URL that names a host".to_owned());
    let mut url = Url::parse(admin.expose_secret()).map_err(|_| usage())?;
    url.set_username(service.role()).map_err(|()| usage())?;
    url.set_password(Some(password.expose_secret())).map_err(|()| usage())?;
    Ok(url.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(admin: &str, password: &str) -> anyhow::Result<String> {
        url_of(&admin.into(), Service::ConfirmationEmail, &password.into())
    }

    #[test]
    fn a_services_url_differs_from_the_administrators_only_in_who_it_is() {
        let made = url("postgres://root:secret@db:5433/shop?sslmode=require", "p").unwrap();
        assert_eq!(made, "postgres://confirmation-email:p@db:5433/shop?sslmode=require");
    }

    #[test]
    fn a_password_with_signs_of_its_own_meaning_is_escaped() {
        let made = url("postgres://root@db/shop", "a/b@c:d").unwrap();
        assert_eq!(made, "postgres://confirmation-email:a%2Fb%40c%3Ad@db/shop");
    }

    #[test]
    fn a_url_without_a_host_is_a_usage_error() {
        assert!(url("not a url", "p").unwrap_err().is::<Usage>());
        assert!(url("postgres:///shop?host=/tmp", "p").unwrap_err().is::<Usage>());
    }
}
