//! The metrics of this crate, besides those of requests: names in one place, handles that are
//! looked up once. Decides nothing.

use ::metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};

/// Records handed to the client of Kafka, by `outcome`.
pub(crate) const PUBLISHED: &str = "orderflow_publish_total";
/// From the record's hand-over to its delivery report.
pub(crate) const PUBLISH_SECONDS: &str = "orderflow_publish_seconds";
/// Records on their way.
pub(crate) const IN_FLIGHT: &str = "orderflow_publish_in_flight";
/// Producers given up after a fatal error.
pub(crate) const PRODUCERS_REBUILT: &str = "orderflow_producer_rebuilt_total";
/// Records without a delivery report when the process ended.
pub(crate) const UNDELIVERED: &str = "orderflow_shutdown_undelivered_records";
/// Products in the catalogue.
pub(crate) const CATALOGUE_PRODUCTS: &str = "orderflow_catalogue_products";
/// Records of the products topic that the catalogue has yet to read.
pub(crate) const CATALOGUE_LAG: &str = "orderflow_catalogue_lag_records";
/// Records of the products topic that could not be read, and were passed over.
pub(crate) const CATALOGUE_SKIPPED: &str = "orderflow_catalogue_skipped_total";

/// Handles of the publisher.
pub(crate) struct Publishing {
    pub(crate) delivered: Counter,
    pub(crate) queue_full: Counter,
    pub(crate) unavailable: Counter,
    pub(crate) unknown: Counter,
    pub(crate) defect: Counter,
    pub(crate) seconds: Histogram,
    pub(crate) in_flight: Gauge,
}

impl Publishing {
    pub(crate) fn new() -> Self {
        Self {
            delivered: counter!(PUBLISHED, "outcome" => "delivered"),
            queue_full: counter!(PUBLISHED, "outcome" => "queue_full"),
            unavailable: counter!(PUBLISHED, "outcome" => "unavailable"),
            unknown: counter!(PUBLISHED, "outcome" => "unknown"),
            defect: counter!(PUBLISHED, "outcome" => "defect"),
            seconds: histogram!(PUBLISH_SECONDS),
            in_flight: gauge!(IN_FLIGHT),
        }
    }
}
