//! What an operator can set of a consumer. Reads the environment once, at the start.

use std::path::PathBuf;

use chassis::kafka::KafkaSettings;
use chassis::settings::{self, SettingsError};

/// Settings of a consumer's process, beside those of its database.
#[derive(Debug, Clone)]
pub(crate) struct RuntimeSettings {
    /// Which cluster.
    pub kafka: KafkaSettings,
    /// `SCHEMA_REGISTRY_URL`.
    pub registry_url: String,
    /// `SCHEMA_CACHE_DIR`: where schemas are kept, so that a start needs no registry.
    pub schema_cache: PathBuf,
    /// `WORKERS` (default 1): workers of this process; each is a member of the group.
    pub workers: usize,
    /// `WORKER_ID` (default none): a name that stays the same over restarts. With it, a worker that
    /// comes back within its session gets its partitions back without a rebalance.
    pub worker_id: Option<String>,
    /// `BATCH_RECORDS_MAX` (default 1000): records of one transaction at most.
    pub batch_records_max: usize,
}

impl RuntimeSettings {
    pub(crate) fn from_env() -> Result<Self, SettingsError> {
        let number = "a whole number above 0";
        Ok(Self {
            kafka: KafkaSettings::from_env()?,
            registry_url: settings::required("SCHEMA_REGISTRY_URL")?,
            schema_cache: settings::required("SCHEMA_CACHE_DIR")?.into(),
            workers: settings::parsed("WORKERS", 1, number)?.max(1),
            worker_id: settings::optional("WORKER_ID"),
            batch_records_max: settings::parsed("BATCH_RECORDS_MAX", 1000, number)?.max(1),
        })
    }
}
