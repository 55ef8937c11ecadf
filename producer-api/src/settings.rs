//! What an operator can set. Uses none of it.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use actix_web::http::Uri;
use chassis::settings::{self, SettingsError};
use http_chassis::settings::{HttpDefaults, HttpSettings};
use kafka_client::KafkaSettings;
use secrecy::SecretString;

use crate::body;

/// The settings of the process.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Which cluster.
    pub kafka: KafkaSettings,
    /// Where the schemas are.
    pub schemas: SchemaSettings,
    /// How HTTP is served.
    pub http: HttpSettings,
    /// How records are published.
    pub publish: PublishSettings,
    /// `HTTP_BODY_BYTES_MAX` (default 16777216): bytes of bodies that are being read or are on their
    /// way to Kafka, of all requests together; one more is refused at once.
    pub body_bytes_max: usize,
    /// `HTTP_QUEUE_MS` (default 250): how long requests may wait until a worker comes to them. Where the
    /// wait stays longer, as many are refused at once as do not fit.
    pub queue_delay_max: Duration,
    /// `QUERY_API_URL` (default: none): before the path of a `Location`, because orders are read
    /// at another origin.
    pub query_api_url: Option<String>,
}

/// Where the schemas are.
#[derive(Debug, Clone)]
pub struct SchemaSettings {
    /// `SCHEMA_REGISTRY_URL`: may hold `user:password@`.
    pub registry_url: SecretString,
    /// `SCHEMA_CACHE_DIR`: what the registry said is kept here.
    pub cache_dir: PathBuf,
}

const HTTP: HttpDefaults = HttpDefaults {
    port: 8080,
    // Ten thousand that say nothing keep nobody out. More than `IN_FLIGHT_MAX`, else nobody hears
    // `queue-full`.
    connections_max: 16_384,
    // Longer than the slowest request.
    shutdown_s: 25,
};

/// How records are published.
#[derive(Debug, Clone)]
pub struct PublishSettings {
    /// `IN_FLIGHT_MAX` (default 1000): records on their way; one more is refused at once.
    pub in_flight_max: usize,
    /// `ACK_TIMEOUT_MS` (default 10000): without a delivery report for so long, the outcome is
    /// unknown.
    pub ack_timeout: Duration,
}

/// The largest body fits, and twice that while it grows.
const BODY_BYTES: RangeInclusive<u64> = 2 * body::BYTES_MAX as u64..=1 << 40;

impl Settings {
    /// Reads them from the environment.
    ///
    /// # Errors
    /// When one is missing or cannot be read.
    pub fn from_env() -> Result<Self, SettingsError> {
        let settings = Self {
            kafka: KafkaSettings::from_env()?,
            schemas: SchemaSettings {
                registry_url: settings::secret("SCHEMA_REGISTRY_URL")?,
                cache_dir: settings::required("SCHEMA_CACHE_DIR")?.into(),
            },
            http: HttpSettings::from_env(&HTTP)?,
            publish: PublishSettings::from_env()?,
            body_bytes_max: settings::within("HTTP_BODY_BYTES_MAX", 16 << 20, BODY_BYTES)?,
            queue_delay_max: Duration::from_millis(settings::at_least_one("HTTP_QUEUE_MS", 250)?),
            query_api_url: settings::optional("QUERY_API_URL").map(origin).transpose()?,
        };
        outlasts(settings.http.shutdown, settings.publish.ack_timeout)?;
        Ok(settings)
    }
}

/// A stop that is shorter than a request may take would break off what it promises to answer.
fn outlasts(shutdown: Duration, ack_timeout: Duration) -> Result<(), SettingsError> {
    if shutdown > body::WITHIN + ack_timeout {
        return Ok(());
    }
    let expected = "more than the 10 s that a body may take and ACK_TIMEOUT_MS together";
    Err(SettingsError::Invalid("SHUTDOWN_SECONDS", expected))
}

/// Without a slash at its end.
fn origin(url: String) -> Result<String, SettingsError> {
    let expected = SettingsError::Invalid("QUERY_API_URL", "a URL like https://orders.example.com");
    let parsed: Uri = url.parse().map_err(|_| expected.clone())?;
    let is_http = matches!(parsed.scheme_str(), Some("http" | "https"));
    match parsed.authority() {
        Some(_) if is_http && parsed.query().is_none() => Ok(url.trim_end_matches('/').to_owned()),
        _ => Err(expected),
    }
}

impl PublishSettings {
    fn from_env() -> Result<Self, SettingsError> {
        Ok(Self {
            in_flight_max: settings::at_least_one("IN_FLIGHT_MAX", 1_000)?,
            ack_timeout: Duration::from_millis(settings::at_least_one("ACK_TIMEOUT_MS", 10_000)?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stop_lasts_longer_than_the_slowest_request() {
        let seconds = Duration::from_secs;
        assert_eq!(outlasts(seconds(25), seconds(10)), Ok(()));
        let error = outlasts(seconds(20), seconds(10)).unwrap_err().to_string();
        assert!(error.contains("SHUTDOWN_SECONDS") && error.contains("10 s"), "{error}");
        assert_eq!(body::WITHIN.as_secs(), 10, "the message names it");
    }

    #[test]
    fn the_query_api_is_named_by_its_origin() {
        let origin = |url: &str| origin(url.to_owned());
        assert_eq!(origin("https://a.example/"), Ok("https://a.example".to_owned()));
        assert_eq!(origin("http://a:8081/shop/"), Ok("http://a:8081/shop".to_owned()));
        for bad in ["a.example", "/v1", "ftp://a", "https://a/?b", "https://a b"] {
            assert!(origin(bad).is_err(), "{bad}");
        }
    }
}
