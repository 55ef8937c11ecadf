//! The servers that the tests use, named by the environment. Starts none: `scripts/test` does.

use chassis::settings;

use crate::http::client;

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

    /// Registers a schema. All tests share the registry: not under the subject of one of our events.
    ///
    /// # Panics
    /// When the registry does not take it.
    pub async fn register(&self, subject: &str, schema: &str) -> u32 {
        let url = format!("{}/subjects/{subject}/versions", self.registry);
        let body = serde_json::json!({ "schema": schema });
        let answer = client().post(url).json(&body).send().await.unwrap();
        let answer: serde_json::Value = answer.error_for_status().unwrap().json().await.unwrap();
        answer["id"].as_u64().unwrap().try_into().unwrap()
    }
}

fn required(name: &'static str) -> String {
    settings::optional(name).unwrap_or_else(|| panic!("{name} is not set: run scripts/test"))
}
