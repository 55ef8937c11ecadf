//! The names of the runtime's metrics, and the handles that the hot path keeps.

use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};

const RECORDS: &str = "orderflow_records_total";
const BATCH_SECONDS: &str = "orderflow_batch_seconds";
const BATCH_RECORDS: &str = "orderflow_batch_records";
const FENCED: &str = "orderflow_fenced_batches_total";
const RETRIES: &str = "orderflow_batch_retries_total";
const PUBLISHED: &str = "orderflow_outbox_published_total";
const DEAD_LETTERED: &str = "orderflow_dead_letters_total";
const DEAD_LETTERS_OLDEST: &str = "orderflow_dead_letters_oldest_seconds";
const EVENT_AGE: &str = "orderflow_event_age_seconds";
const OWNED: &str = "orderflow_partitions_owned";
const STANDBY: &str = "orderflow_standby_workers";
const LAG: &str = "orderflow_lag_records";
const PARKED: &str = "orderflow_parked_records";
const REDRIVEN: &str = "orderflow_redriven_records_total";
const STOPPED: &str = "orderflow_partitions_stopped";

/// The handles of one projection.
pub(crate) struct Metrics {
    pub applied: Counter,
    pub duplicate: Counter,
    pub refused: Counter,
    pub rejected: Counter,
    pub batch_seconds: Histogram,
    pub batch_records: Histogram,
    pub fenced: Counter,
    pub retries: Counter,
    pub published: Counter,
    pub dead_lettered: Counter,
    /// How long the oldest record that is not copied yet has waited.
    pub dead_letters_oldest: Gauge,
    /// Age of the last record that was applied, when it was.
    pub event_age_seconds: Gauge,
    name: &'static str,
}

impl Metrics {
    pub(crate) fn new(name: &'static str) -> Self {
        let outcome =
            |outcome: &'static str| counter!(RECORDS, "projection" => name, "outcome" => outcome);
        Self {
            applied: outcome("applied"),
            duplicate: outcome("duplicate"),
            refused: outcome("refused"),
            rejected: outcome("rejected"),
            batch_seconds: histogram!(BATCH_SECONDS, "projection" => name),
            batch_records: histogram!(BATCH_RECORDS, "projection" => name),
            fenced: counter!(FENCED, "projection" => name),
            retries: counter!(RETRIES, "projection" => name),
            published: counter!(PUBLISHED, "projection" => name),
            dead_lettered: counter!(DEAD_LETTERED, "projection" => name),
            dead_letters_oldest: gauge!(DEAD_LETTERS_OLDEST, "projection" => name),
            event_age_seconds: gauge!(EVENT_AGE, "projection" => name),
            name,
        }
    }

    /// Records that are parked now, in this state.
    pub(crate) fn parked(&self, state: &str, records: i64) {
        let labels = gauge!(PARKED, "projection" => self.name, "state" => state.to_owned());
        labels.set(records as f64);
    }

    /// What became of parked records that were applied again.
    pub(crate) fn redriven(&self, applied: usize, failed: usize) {
        for (outcome, records) in [("applied", applied), ("failed", failed)] {
            let redriven = counter!(REDRIVEN, "projection" => self.name, "outcome" => outcome);
            redriven.increment(records as u64);
        }
    }

    /// The partitions that this worker holds.
    pub(crate) fn owned(&self, worker: usize, held: usize) {
        let worker = worker.to_string();
        gauge!(OWNED, "projection" => self.name, "worker" => worker).set(held as f64);
    }

    /// This worker is a member of the group for which there is no partition, or it is not.
    pub(crate) fn standby(&self, worker: usize, standby: bool) {
        let worker = worker.to_string();
        let gauge = gauge!(STANDBY, "projection" => self.name, "worker" => worker);
        gauge.set(f64::from(u8::from(standby)));
    }

    /// Records of a partition that are in the log and not yet applied.
    pub(crate) fn lag(&self, topic: &str, partition: i32, records: i64) {
        let (topic, partition) = (topic.to_owned(), partition.to_string());
        let labels =
            gauge!(LAG, "projection" => self.name, "topic" => topic, "partition" => partition);
        labels.set(records as f64);
    }

    /// A partition stands still under this name, or does no longer.
    pub(crate) fn stopped(&self, topic: &str, partition: i32, state: &'static str, stopped: bool) {
        let (topic, partition) = (topic.to_owned(), partition.to_string());
        let gauge = gauge!(STOPPED, "projection" => self.name, "topic" => topic,
            "partition" => partition, "state" => state);
        gauge.set(f64::from(u8::from(stopped)));
    }
}
