//! Why a partition stands still, and when it is looked at again. Pure.

use std::fmt;
use std::time::Duration;

use events_schema::wire::SchemaId;
use kafka_client::PositionMisfit;

use crate::partition::Offset;

/// A partition stands still under one of these names; readiness and a metric say so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Stop {
    /// The projection has no position at all, and the log has a past: an operator has to say whether
    /// it begins before that or behind it.
    Unstarted,
    /// Its position does not fit the log: an operator has to acknowledge it.
    Misfit(PositionMisfit),
    /// What it would park is more than may be parked: somebody has to redrive or discard.
    ParkedFull(String),
    /// The client cannot read the batch that comes next: somebody has to pass it.
    Unreadable { next: Offset },
    /// What comes next was written with a schema that the registry does not tell at the moment.
    SchemaUnknown { id: SchemaId },
    /// Nothing that it tries succeeds: more likely a release is broken than every record.
    Tripped { rejected: usize, cause: &'static str },
}

impl Stop {
    /// The name of the state, in metrics and readiness.
    pub(crate) fn state(&self) -> &'static str {
        match self {
            Self::Unstarted => "unstarted",
            Self::Misfit(misfit) => misfit.state(),
            Self::ParkedFull(_) => "parked_full",
            Self::Unreadable { .. } => "unreadable",
            Self::SchemaUnknown { .. } => "schema_unknown",
            Self::Tripped { .. } => "tripped",
        }
    }

    /// How long until it is looked at again; `probe` between two tries of a tripped partition.
    pub(crate) fn pause(&self, probe: Duration) -> Duration {
        match self {
            Self::Misfit(_) | Self::Unstarted => Duration::from_secs(3),
            Self::ParkedFull(_) | Self::Unreadable { .. } => Duration::from_secs(5),
            Self::SchemaUnknown { .. } => Duration::from_secs(2),
            Self::Tripped { .. } => probe,
        }
    }
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unstarted => write!(
                f,
                "unstarted: the log has a past and this projection none: say where it begins \
                 (orderctl positions start)"
            ),
            Self::Misfit(misfit) => misfit.fmt(f),
            Self::ParkedFull(what) => write!(f, "parked_full: {what}"),
            Self::Unreadable { next } => write!(
                f,
                "unreadable: the batch at offset {} is damaged, or too large unpacked",
                next.0
            ),
            Self::SchemaUnknown { id } => {
                write!(f, "schema_unknown: the registry does not tell the schema id {id}")
            }
            Self::Tripped { rejected, cause } => write!(
                f,
                "tripped: nothing was applied since {rejected} records were rejected, \
                 the last one as {cause}"
            ),
        }
    }
}
