//! What becomes of a reader after an error of its client: the one list of which errors it gets over
//! by itself. Retries nothing.

use rdkafka::error::{KafkaError, RDKafkaErrorCode};

/// What becomes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outlook {
    /// The client gets over it: a connection is lost, a leader moves.
    Recovers,
    /// Where it reads, there is nothing to be read any more.
    Lost,
    /// Only a new reader can go on, if any.
    Ends,
}

pub(crate) fn outlook(error: &KafkaError) -> Outlook {
    use RDKafkaErrorCode::{
        AllBrokersDown, AutoOffsetReset, BrokerTransportFailure, LeaderNotAvailable,
        NotLeaderForPartition, OffsetOutOfRange, OperationTimedOut, RequestTimedOut, Resolve,
    };
    // A fatal one comes under the code of its cause.
    if matches!(error, KafkaError::MessageConsumptionFatal(_)) {
        return Outlook::Ends;
    }
    match error.rdkafka_error_code() {
        Some(
            AllBrokersDown
            | BrokerTransportFailure
            | LeaderNotAvailable
            | NotLeaderForPartition
            | OperationTimedOut
            | RequestTimedOut
            | Resolve,
        ) => Outlook::Recovers,
        Some(AutoOffsetReset | OffsetOutOfRange) => Outlook::Lost,
        _ => Outlook::Ends,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_connection_passes_and_a_lost_record_does_not() {
        let of = |code| outlook(&KafkaError::MessageConsumption(code));
        assert_eq!(of(RDKafkaErrorCode::AllBrokersDown), Outlook::Recovers);
        assert_eq!(of(RDKafkaErrorCode::NotLeaderForPartition), Outlook::Recovers);
        assert_eq!(of(RDKafkaErrorCode::AutoOffsetReset), Outlook::Lost);
        assert_eq!(of(RDKafkaErrorCode::TopicAuthorizationFailed), Outlook::Ends);
        let fatal = KafkaError::MessageConsumptionFatal(RDKafkaErrorCode::AllBrokersDown);
        assert_eq!(outlook(&fatal), Outlook::Ends, "whatever caused it");
    }
}
