//! A record of the products topic as it was fetched. Decides nothing about it: its topic's rule does.

use events_schema::envelope::Envelope;
use events_schema::reading::LogRecord;
use events_schema::{Timestamp, Topic};
use kafka_client::FetchedRecord;

/// A record that may have to wait.
#[derive(Debug)]
pub(super) struct Fetched {
    pub(super) partition: i32,
    pub(super) offset: i64,
    millis: i64,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    envelope: Envelope,
}

impl Fetched {
    pub(super) fn copy(record: &FetchedRecord<'_>) -> Self {
        Self {
            partition: record.partition(),
            offset: record.offset(),
            millis: record.millis().unwrap_or_default(),
            key: record.key().map(<[u8]>::to_vec),
            value: record.value().map(<[u8]>::to_vec),
            envelope: Envelope::read(record.headers()),
        }
    }

    /// As it stands in the log.
    pub(super) fn as_logged(&self) -> LogRecord<'_> {
        LogRecord {
            topic: Topic::Products,
            key: self.key.as_deref(),
            value: self.value.as_deref(),
            envelope: &self.envelope,
            recorded_at: Timestamp::from_micros(self.millis.saturating_mul(1000)),
        }
    }
}
