//! The servers that the tests use, named by the environment. Starts none: `scripts/test` does.

use chassis::settings;

/// Where the servers are.
#[derive(Debug, Clone)]
pub struct Stack {
    /// `host:port`, comma-separated.
    pub kafka: String,
    /// As an administrator.
    pub database: String,
    /// Confluent's API.
    pub registry: String,
    /// Where mails are sent.
    pub smtp: String,
    /// Where they can be read.
    pub mail_api: String,
    /// Optional for every service.
    pub redis: Option<String>,
}

impl Stack {
    /// Reads it from the environment.
    ///
    /// # Panics
    /// When a server is not named.
    pub fn from_env() -> Self {
        Self {
            kafka: required("KAFKA_BOOTSTRAP_SERVERS"),
            database: required("DATABASE_URL"),
            registry: required("SCHEMA_REGISTRY_URL"),
            smtp: required("SMTP_URL"),
            mail_api: required("MAIL_API_URL"),
            redis: settings::optional("REDIS_URL"),
        }
    }
}

fn required(name: &'static str) -> String {
    settings::optional(name).unwrap_or_else(|| panic!("{name} is not set: run scripts/test"))
}
