//! What librdkafka tells each second, as far as a member of a group needs it. All of it is 14 KB of
//! JSON.

use std::collections::HashMap;

use serde::Deserialize;

#[derive(Debug, Default, Deserialize)]
pub(crate) struct Statistics {
    /// Before a member has a coordinator, none.
    cgrp: Option<Group>,
    topics: HashMap<String, Topic>,
}

#[derive(Debug, Deserialize)]
struct Group {
    state: String,
    join_state: String,
}

#[derive(Debug, Deserialize)]
struct Topic {
    partitions: HashMap<i32, Partition>,
}

/// How far a partition goes, and is fetched.
#[derive(Debug, Deserialize)]
pub(crate) struct Partition {
    /// The next offset that is asked for.
    pub next_offset: i64,
    /// The end of the log, with what is not yet committed.
    pub hi_offset: i64,
    /// The end of the log, for whoever reads what is committed.
    pub ls_offset: i64,
    /// Records that nobody has polled yet.
    pub fetchq_cnt: i64,
}

impl Statistics {
    /// Empty where they cannot be read: then nothing is known.
    pub(crate) fn of(statistics: &[u8]) -> Self {
        serde_json::from_slice(statistics).unwrap_or_else(|error| {
            tracing::warn!(%error, "statistics of another form");
            Self::default()
        })
    }

    /// Whether the group has told this member what is its.
    pub(crate) fn is_member(&self) -> bool {
        let group = self.cgrp.as_ref();
        group.is_some_and(|group| group.state == "up" && group.join_state == "steady")
    }

    /// By topic and number, the partitions of whose log something is known.
    pub(crate) fn partitions(&self) -> impl Iterator<Item = (&str, i32, &Partition)> {
        let all = self.topics.iter().flat_map(|(topic, of)| {
            of.partitions
                .iter()
                .map(move |(number, partition)| (topic.as_str(), *number, partition))
        });
        // Under -1 the client keeps what has no partition yet.
        all.filter(|(_, number, partition)| *number >= 0 && partition.hi_offset >= 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(join_state: &str) -> Statistics {
        let partition = |end| {
            format!(r#"{{"next_offset":3,"hi_offset":{end},"ls_offset":8,"fetchq_cnt":2,"lag":1}}"#)
        };
        let partitions =
            format!(r#""0":{},"1":{},"-1":{}"#, partition(9), partition(-1001), partition(9));
        let group = format!(r#"{{"state":"up","join_state":"{join_state}","rebalance_cnt":1}}"#);
        let topics = format!(r#"{{"orders":{{"topic":"orders","partitions":{{{partitions}}}}}}}"#);
        Statistics::of(format!(r#"{{"ts":1,"topics":{topics},"cgrp":{group}}}"#).as_bytes())
    }

    #[test]
    fn partitions_whose_end_is_unknown_are_left_out() {
        let told = told("steady");
        let known: Vec<_> = told.partitions().map(|(topic, number, _)| (topic, number)).collect();
        assert_eq!(known, [("orders", 0)]);
    }

    #[test]
    fn a_member_is_who_knows_its_partitions() {
        assert!(told("steady").is_member());
        assert!(!told("wait-assn").is_member() && !Statistics::of(br#"{"topics":{}}"#).is_member());
    }
}
