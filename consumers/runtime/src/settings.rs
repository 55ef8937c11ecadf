//! What an operator can set of a consumer. Reads the environment once, at the start.

pub(crate) mod worker_id;

use std::path::PathBuf;
use std::time::Duration;

use chassis::settings::{self, SettingsError, at_least_one};
use kafka_client::{GroupProtocol, KafkaSettings};

use worker_id::WorkerId;

/// Settings of a consumer's process, beside those of its database. Not to be printed: the registry's
/// address may hold a password.
#[derive(Clone)]
pub(crate) struct RuntimeSettings {
    /// Which cluster.
    pub kafka: KafkaSettings,
    /// `SCHEMA_REGISTRY_URL`.
    pub registry_url: String,
    /// `SCHEMA_CACHE_DIR`: where schemas are kept, so that a start needs no registry.
    pub schema_cache: PathBuf,
    /// `WORKERS` (default 1): workers of this process; each is a member of the group.
    pub workers: usize,
    /// `GROUP_PROTOCOL` (default `classic`): `consumer` is that of KIP-848.
    pub group_protocol: GroupProtocol,
    /// `WORKER_ID`: a name that stays the same over restarts, or `none`.
    pub worker_id: WorkerId,
    /// `LEAVE_ON_STOP` (default true): whether a worker that is stopped gives its partitions to
    /// the others at once, or keeps them for its return within the session.
    pub leave_on_stop: bool,
    /// `BATCH_RECORDS_MAX` (default 2000): records of one transaction at most.
    pub batch_records_max: usize,
    /// `PARKED_PER_SUBJECT_MAX` (default 1000) and `PARKED_MAX` (default 100000): beyond them the
    /// partition stops instead of parking.
    pub parked: ParkedLimits,
    /// `BREAKER_REJECTIONS` (default 100): so many rejected records of a partition in a row, and
    /// none that succeeds, trip its breaker.
    pub breaker_rejections: usize,
    /// `BREAKER_PROBE_SECONDS` (default 15): how often a tripped partition is tried again.
    pub breaker_probe: Duration,
}

/// The most records that may be parked; discarded ones do not count.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ParkedLimits {
    /// Of one subject.
    pub per_subject: u32,
    /// Of the projection.
    pub total: u32,
}

/// A batch is bound as arrays in one statement, and is decided in memory: more than this at once is
/// slower, not faster.
const BATCH_RECORDS: u64 = 20_000;

impl RuntimeSettings {
    pub(crate) fn from_env() -> Result<Self, SettingsError> {
        let protocol = "classic or consumer";
        let group_protocol = settings::parsed("GROUP_PROTOCOL", GroupProtocol::Classic, protocol)?;
        Ok(Self {
            kafka: KafkaSettings::from_env()?,
            registry_url: settings::required("SCHEMA_REGISTRY_URL")?,
            schema_cache: settings::required("SCHEMA_CACHE_DIR")?.into(),
            workers: at_least_one("WORKERS", 1)?,
            group_protocol,
            worker_id: WorkerId::from_env(group_protocol)?,
            leave_on_stop: settings::parsed("LEAVE_ON_STOP", true, "true or false")?,
            batch_records_max: settings::within("BATCH_RECORDS_MAX", 2000, 1..=BATCH_RECORDS)?,
            parked: ParkedLimits {
                per_subject: at_least_one("PARKED_PER_SUBJECT_MAX", 1000)?,
                total: at_least_one("PARKED_MAX", 100_000)?,
            },
            breaker_rejections: at_least_one("BREAKER_REJECTIONS", 100)?,
            breaker_probe: Duration::from_secs(settings::within(
                "BREAKER_PROBE_SECONDS",
                15,
                1..=3600,
            )?),
        })
    }

    /// Every worker holds a connection while it applies a batch, and whatever else the process does
    /// needs one.
    pub(crate) fn fit(&self, connections_max: u32) -> Result<(), SettingsError> {
        let fits = self.workers < usize::try_from(connections_max).unwrap_or(usize::MAX);
        let expected = "less than DATABASE_CONNECTIONS_MAX: every worker holds a connection";
        fits.then_some(()).ok_or(SettingsError::Invalid("WORKERS", expected))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_workers_than_connections_are_refused_in_a_sentence() {
        let settings = |workers| RuntimeSettings {
            kafka: KafkaSettings::at("", ""),
            registry_url: String::new(),
            schema_cache: PathBuf::new(),
            workers,
            group_protocol: GroupProtocol::Classic,
            worker_id: WorkerId::None,
            leave_on_stop: true,
            batch_records_max: 1,
            parked: ParkedLimits { per_subject: 1, total: 1 },
            breaker_rejections: 1,
            breaker_probe: Duration::ZERO,
        };
        assert_eq!(settings(9).fit(10), Ok(()));
        let refused = settings(10).fit(10).unwrap_err().to_string();
        assert!(
            refused.contains("WORKERS must be less than DATABASE_CONNECTIONS_MAX"),
            "{refused}"
        );
    }
}
