//! Whether a position fits the log. Pure. One that does not is never guessed away: the partition stops
//! under this name until an operator decides.

use std::fmt;

/// Why a position does not fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PositionMisfit {
    /// Records between the position and the start of the log are gone.
    Retention {
        /// The position.
        next: i64,
        /// The first offset that the log still has.
        log_start: i64,
    },
    /// The position is behind the end of the log: the log was restored from an older copy.
    BeyondEnd {
        /// The position.
        next: i64,
        /// The offset behind the last record.
        log_end: i64,
    },
    /// The topic was deleted and created again: its offsets mean something else.
    TopicRecreated {
        /// The topic's id when the position was made.
        was: String,
        /// The topic's id now.
        is: String,
    },
}

/// What the broker says of a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogState {
    /// Another one after the topic was made again.
    pub topic_id: String,
    /// The first offset.
    pub start: i64,
    /// The offset behind the last record.
    pub end: i64,
}

impl PositionMisfit {
    /// The misfit between a position and the log, if there is one.
    pub fn between(next: i64, topic_id: &str, log: &LogState) -> Option<Self> {
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
    pub fn state(&self) -> &'static str {
        match self {
            Self::Retention { .. } => "gap",
            Self::BeyondEnd { .. } => "beyond_end",
            Self::TopicRecreated { .. } => "topic_recreated",
        }
    }
}

impl fmt::Display for PositionMisfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Retention { next, log_start } => {
                write!(f, "gap: offsets {next} to {} are no longer in the log", log_start - 1)
            }
            Self::BeyondEnd { next, log_end } => {
                write!(f, "beyond_end: the position {next} is beyond the log's end {log_end}")
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

    fn log() -> LogState {
        LogState { topic_id: "a".into(), start: 10, end: 20 }
    }

    #[test]
    fn a_position_inside_the_log_or_at_its_end_fits() {
        assert_eq!(PositionMisfit::between(10, "a", &log()), None);
        assert_eq!(PositionMisfit::between(20, "a", &log()), None);
    }

    #[test]
    fn a_position_outside_the_log_or_of_another_topic_is_named() {
        let said = |next, id| {
            let misfit = PositionMisfit::between(next, id, &log()).unwrap();
            (misfit.state(), misfit.to_string())
        };
        let gap = "gap: offsets 7 to 9 are no longer in the log".to_owned();
        assert_eq!(said(7, "a"), ("gap", gap));
        let beyond = "beyond_end: the position 21 is beyond the log's end 20".to_owned();
        assert_eq!(said(21, "a"), ("beyond_end", beyond));
        let other = "topic_recreated: the topic's id was b and is a".to_owned();
        assert_eq!(said(15, "b"), ("topic_recreated", other));
    }
}
