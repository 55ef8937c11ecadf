//! Whether a position still fits the log. Pure: a position that does not is never guessed away, the
//! partition stops under a name until an operator decides.

use crate::partition::Offset;

/// Why a partition stops.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PositionMisfit {
    /// Records between the position and the start of the log are gone.
    Retention { next: Offset, log_start: Offset },
    /// The position is behind the end of the log: the log was restored from an older copy.
    BeyondEnd { next: Offset, log_end: Offset },
    /// The topic was deleted and created again: its offsets mean something else.
    TopicRecreated { was: String, is: String },
}

/// What the broker says of a partition.
#[derive(Debug, Clone)]
pub(crate) struct LogState {
    pub topic_id: String,
    pub start: Offset,
    pub end: Offset,
}

impl PositionMisfit {
    /// The misfit between a position and the log, if there is one.
    pub(crate) fn between(next: Offset, topic_id: &str, log: &LogState) -> Option<Self> {
        if topic_id != log.topic_id {
            let (was, is) = (topic_id.to_owned(), log.topic_id.clone());
            return Some(Self::TopicRecreated { was, is });
        }
        if next < log.start {
            return Some(Self::Retention { next, log_start: log.start });
        }
        (next > log.end).then_some(Self::BeyondEnd { next, log_end: log.end })
    }

    /// The name of the state, in metrics and readiness.
    pub(crate) fn state(&self) -> &'static str {
        match self {
            Self::Retention { .. } => "gap",
            Self::BeyondEnd { .. } => "beyond_end",
            Self::TopicRecreated { .. } => "topic_recreated",
        }
    }
}

impl std::fmt::Display for PositionMisfit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Retention { next, log_start } => {
                write!(f, "gap: offsets {} to {} are no longer in the log", next.0, log_start.0 - 1)
            }
            Self::BeyondEnd { next, log_end } => {
                write!(
                    f,
                    "beyond_end: the position {} is beyond the log's end {}",
                    next.0, log_end.0
                )
            }
            Self::TopicRecreated { was, is } => {
                write!(f, "topic_recreated: the topic's id was {was} and is {is}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_inside_the_log_or_at_its_end_is_no_gap() {
        let log = LogState { topic_id: "a".into(), start: Offset(10), end: Offset(20) };
        assert_eq!(PositionMisfit::between(Offset(10), "a", &log), None);
        assert_eq!(PositionMisfit::between(Offset(20), "a", &log), None);
    }

    #[test]
    fn a_position_outside_the_log_or_of_another_topic_is_named() {
        let log = LogState { topic_id: "a".into(), start: Offset(10), end: Offset(20) };
        let state = |next, id| PositionMisfit::between(Offset(next), id, &log).unwrap().state();
        assert_eq!(state(9, "a"), "gap");
        assert_eq!(state(21, "a"), "beyond_end");
        assert_eq!(state(15, "b"), "topic_recreated");
        assert_eq!(
            PositionMisfit::between(Offset(7), "a", &log).unwrap().to_string(),
            "gap: offsets 7 to 9 are no longer in the log"
        );
    }
}
