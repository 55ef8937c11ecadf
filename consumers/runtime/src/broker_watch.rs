//! Whether any broker is connected, as each of the process's clients says. Acts on nothing else that
//! it says.

use chassis::health::Dependency;
use kafka_client::any_broker_up;
use rdkafka::ClientContext;
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaErrorCode;

/// Tells the process's health whether any broker is connected.
#[derive(Clone)]
pub(crate) struct BrokerWatch {
    pub kafka: Dependency,
}

impl ClientContext for BrokerWatch {
    fn stats_raw(&self, statistics: &[u8]) {
        if any_broker_up(statistics) {
            self.kafka.up();
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::AllBrokersDown) {
            self.kafka.down("no broker is connected");
        } else if is_unreadable(&error) {
            // The partition is stopped under a name; this comes twice a second.
            tracing::debug!(%error, reason, "kafka client");
        } else {
            tracing::warn!(%error, reason, "kafka client");
        }
    }
}

/// Whether the client met a batch that it cannot read.
pub(crate) fn is_unreadable(error: &KafkaError) -> bool {
    let code = error.rdkafka_error_code();
    matches!(code, Some(RDKafkaErrorCode::BadCompression | RDKafkaErrorCode::BadMessage))
}
