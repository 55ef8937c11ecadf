//! What an operator can set. Uses none of it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use chassis::kafka::KafkaSettings;
use chassis::settings::{self, SettingsError};

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
}

/// Where the schemas are.
#[derive(Debug, Clone)]
pub struct SchemaSettings {
    /// `SCHEMA_REGISTRY_URL`.
    pub registry_url: String,
    /// `SCHEMA_CACHE_DIR`: what the registry said is kept here.
    pub cache_dir: PathBuf,
}

/// How HTTP is served.
#[derive(Debug, Clone)]
pub struct HttpSettings {
    /// `HTTP_ADDR` (default `127.0.0.1:8080`).
    pub address: SocketAddr,
    /// `HTTP_WORKERS` (default: the cores): threads that serve requests.
    pub workers: usize,
    /// `HTTP_CONNECTIONS_MAX` (default 4096): open connections of one worker; more wait.
    pub connections_max: usize,
    /// `SHUTDOWN_SECONDS` (default 20): how long a stop may take.
    pub shutdown: Duration,
}

/// How records are published.
#[derive(Debug, Clone)]
pub struct PublishSettings {
    /// `IN_FLIGHT_MAX` (default 10000): records on their way; one more is refused at once.
    pub in_flight_max: usize,
    /// `ACK_TIMEOUT_MS` (default 10000): without a delivery report for so long, the outcome is
    /// unknown.
    pub ack_timeout: Duration,
}

impl Settings {
    /// Reads them from the environment.
    ///
    /// # Errors
    /// When one is missing or cannot be read.
    pub fn from_env() -> Result<Self, SettingsError> {
        Ok(Self {
            kafka: KafkaSettings::from_env()?,
            schemas: SchemaSettings {
                registry_url: settings::required("SCHEMA_REGISTRY_URL")?,
                cache_dir: settings::required("SCHEMA_CACHE_DIR")?.into(),
            },
            http: HttpSettings::from_env()?,
            publish: PublishSettings::from_env()?,
        })
    }
}

impl HttpSettings {
    fn from_env() -> Result<Self, SettingsError> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let address = ([127, 0, 0, 1], 8080).into();
        Ok(Self {
            address: settings::parsed("HTTP_ADDR", address, "an address like 0.0.0.0:8080")?,
            workers: at_least_one("HTTP_WORKERS", cores)?,
            connections_max: at_least_one("HTTP_CONNECTIONS_MAX", 4096)?,
            shutdown: Duration::from_secs(at_least_one("SHUTDOWN_SECONDS", 20)? as u64),
        })
    }
}

impl PublishSettings {
    fn from_env() -> Result<Self, SettingsError> {
        Ok(Self {
            in_flight_max: at_least_one("IN_FLIGHT_MAX", 10_000)?,
            ack_timeout: Duration::from_millis(at_least_one("ACK_TIMEOUT_MS", 10_000)? as u64),
        })
    }
}

/// No more than librdkafka takes for a queue or a time-out.
const HIGHEST: usize = 10_000_000;

fn at_least_one(name: &'static str, default: usize) -> Result<usize, SettingsError> {
    let expected = "a whole number from 1 to 10000000";
    match settings::parsed(name, default, expected)? {
        number @ 1..=HIGHEST => Ok(number),
        _ => Err(SettingsError::Invalid(name, expected)),
    }
}
