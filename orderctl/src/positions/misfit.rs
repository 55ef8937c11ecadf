//! How a position can fail to fit the log, and what it costs to go on all the same. Pure.

use std::fmt;

/// Where a projection stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stand {
    /// Of the topic when the position was made.
    pub(super) topic_id: String,
    /// The offset of the next record.
    pub(super) next: i64,
    /// The state under which a worker stopped there, if it did not go on since.
    pub(super) stopped: Option<String>,
}

/// What the log is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Log {
    pub(super) topic_id: String,
    pub(super) start: i64,
    pub(super) end: i64,
}

/// Why a worker stops there; under the names that its metric has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Misfit {
    TopicRecreated { was: String, is: String },
    Gap { start: i64 },
    BeyondEnd { end: i64 },
}

impl Misfit {
    /// What is wrong, if anything is.
    pub(super) fn between(stand: &Stand, log: &Log) -> Option<Self> {
        if stand.topic_id != log.topic_id {
            let (was, is) = (stand.topic_id.clone(), log.topic_id.clone());
            return Some(Self::TopicRecreated { was, is });
        }
        if stand.next < log.start {
            return Some(Self::Gap { start: log.start });
        }
        (stand.next > log.end).then_some(Self::BeyondEnd { end: log.end })
    }
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TopicRecreated { was, is } => {
                write!(f, "topic_recreated: the topic's id was {was} and is {is}")
            }
            Self::Gap { start } => write!(f, "gap: the log begins at {start}"),
            Self::BeyondEnd { end } => write!(f, "beyond_end: the log ends at {end}"),
        }
    }
}

/// What is lost, skipped or read again if the projection goes on at `to`.
pub(super) fn consequences(stand: &Stand, log: &Log, to: i64) -> Vec<String> {
    let next = stand.next;
    let mut lines = Vec::new();
    let mut say = |from: i64, until: i64, what: &str| {
        if from < until {
            lines.push(format!("offsets {from} to {}: {what}", until - 1));
        }
    };
    if stand.topic_id != log.topic_id {
        say(log.start, to, "skipped, though they are in the log");
        lines.push(format!(
            "what stood behind offset {next} of the former topic was never read and is gone"
        ));
        return lines;
    }
    say(next, log.start, "gone from the log, never read");
    say(next.max(log.start), to, "skipped, though they are in the log");
    say(log.end, next, "read before and lost by the log; what they did stays in the rows");
    say(to, next.min(log.end), "read again; an event that was applied counts once");
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stand(next: i64) -> Stand {
        Stand { topic_id: "a".into(), next, stopped: None }
    }

    fn log(start: i64, end: i64) -> Log {
        Log { topic_id: "a".into(), start, end }
    }

    #[test]
    fn a_position_in_the_log_or_at_its_end_fits() {
        assert_eq!(Misfit::between(&stand(10), &log(10, 20)), None);
        assert_eq!(Misfit::between(&stand(20), &log(10, 20)), None);
    }

    #[test]
    fn any_other_is_named_as_the_worker_names_it() {
        let said = |stand, log| Misfit::between(&stand, &log).unwrap().to_string();
        assert_eq!(said(stand(9), log(10, 20)), "gap: the log begins at 10");
        assert_eq!(said(stand(21), log(10, 20)), "beyond_end: the log ends at 20");
        let other = Log { topic_id: "b".into(), ..log(0, 99) };
        assert_eq!(said(stand(9), other), "topic_recreated: the topic's id was a and is b");
    }

    #[test]
    fn every_offset_that_is_lost_skipped_or_read_again_is_said() {
        let lines = |next, log, to| consequences(&stand(next), &log, to).join("; ");
        assert_eq!(lines(7, log(10, 20), 10), "offsets 7 to 9: gone from the log, never read");
        assert_eq!(
            lines(7, log(10, 20), 20),
            "offsets 7 to 9: gone from the log, never read; \
             offsets 10 to 19: skipped, though they are in the log"
        );
        assert_eq!(
            lines(25, log(10, 20), 15),
            "offsets 20 to 24: read before and lost by the log; what they did stays in the rows; \
             offsets 15 to 19: read again; an event that was applied counts once"
        );
        let other = Log { topic_id: "b".into(), ..log(0, 5) };
        assert_eq!(
            lines(9, other, 5),
            "offsets 0 to 4: skipped, though they are in the log; \
             what stood behind offset 9 of the former topic was never read and is gone"
        );
    }
}
