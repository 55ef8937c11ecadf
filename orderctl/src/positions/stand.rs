//! What it costs to go on with a position elsewhere in the log. Pure.

use kafka_client::{LogState, PositionMisfit};

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

impl Stand {
    /// What is wrong with it, if anything is.
    pub(super) fn misfit(&self, log: &LogState) -> Option<PositionMisfit> {
        PositionMisfit::between(self.next, &self.topic_id, log)
    }
}

/// What is lost, skipped or read again if the projection goes on at `to`.
pub(super) fn consequences(stand: &Stand, log: &LogState, to: i64) -> Vec<String> {
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

    fn log(start: i64, end: i64) -> LogState {
        LogState { topic_id: "a".into(), start, end }
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
        let other = LogState { topic_id: "b".into(), ..log(0, 5) };
        assert_eq!(
            lines(9, other, 5),
            "offsets 0 to 4: skipped, though they are in the log; \
             what stood behind offset 9 of the former topic was never read and is gone"
        );
    }
}
