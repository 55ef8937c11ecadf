//! How much may be parked: what parks without end is no poison but a fault, and a table that grows
//! without end is one too.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use events_schema::Topic;
use postgres_client::{CONVERSATION, within};
use sqlx::{PgConnection, PgPool};

use super::{Reason, subject_of};
use crate::error::StoreError;
use crate::ownership::stop::Stop;
use crate::partition::TopicPartition;
use crate::record::Record;
use crate::settings::ParkedLimits;
use crate::topic_names::TopicNames;

/// Whether there are more than $1: no more of them are looked at, and none that was discarded. By the
/// index of states, which holds those two together: no plan may wander through what was discarded.
const IS_FULL: &str = "SELECT EXISTS (
    SELECT FROM parked WHERE state IN ('parked', 'quarantined') OFFSET $1)";

/// Subjects of which there are more than $3.
const FULL_SUBJECTS: &str = "SELECT topic, subject
    FROM unnest($1::text[], $2::text[]) AS batch (topic, subject)
    WHERE EXISTS (SELECT FROM parked AS p WHERE p.topic = batch.topic
                  AND p.subject = batch.subject AND p.state <> 'discarded' OFFSET $3)";

/// How many are in each state, up to $1 of each.
const STATES: &str = "SELECT state, (SELECT count(*) FROM (
        SELECT FROM parked WHERE parked.state = states.state LIMIT $1) AS counted)
    FROM unnest('{parked,quarantined,discarded}'::text[]) AS states (state)";

impl ParkedLimits {
    /// How many records are in each state, for the metrics. Of more than may be parked it says only
    /// that they are so many: who counts further pays for what was discarded years ago.
    pub(crate) async fn states(self, pool: &PgPool) -> Result<Vec<(String, i64)>, StoreError> {
        let count = sqlx::query_as(STATES).bind(i64::from(self.total) + 1);
        Ok(within(CONVERSATION, count.fetch_all(pool)).await?)
    }

    /// The partitions that have to stop, because with what was just parked there is too much: those
    /// that parked something, or something of a subject that has too much. Costs a batch without
    /// parked records nothing.
    pub(crate) async fn exceeded(
        self,
        conn: &mut PgConnection,
        names: &TopicNames,
        records: &[Record],
        reasons: &[Option<Reason>],
    ) -> Result<Vec<(TopicPartition, Stop)>, StoreError> {
        let parked =
            || records.iter().zip(reasons).filter(|(_, why)| why.is_some()).map(|(r, _)| r);
        let partitions: BTreeSet<TopicPartition> =
            parked().map(|record| record.source.topic_partition()).collect();
        if partitions.is_empty() {
            return Ok(vec![]);
        }
        let is_full = sqlx::query_scalar(IS_FULL).bind(i64::from(self.total));
        if is_full.fetch_one(&mut *conn).await? {
            let what = format!("more than {} records would be parked (PARKED_MAX)", self.total);
            return Ok(partitions
                .into_iter()
                .map(|key| (key, Stop::ParkedFull(what.clone())))
                .collect());
        }
        let subjects: HashSet<(Topic, &str)> = parked().filter_map(subject_of).collect();
        let full = self.full_subjects(conn, names, &subjects).await?;
        let mut stops = BTreeMap::new();
        for record in parked() {
            let subject = subject_of(record).filter(|subject| full.contains(subject));
            if let Some((_, subject)) = subject {
                let max = self.per_subject;
                let what = format!("more than {max} of {subject} (PARKED_PER_SUBJECT_MAX)");
                stops.entry(record.source.topic_partition()).or_insert(Stop::ParkedFull(what));
            }
        }
        Ok(stops.into_iter().collect())
    }

    async fn full_subjects<'a>(
        self,
        conn: &mut PgConnection,
        names: &TopicNames,
        subjects: &HashSet<(Topic, &'a str)>,
    ) -> Result<HashSet<(Topic, &'a str)>, StoreError> {
        let (topics, texts): (Vec<&str>, Vec<&str>) =
            subjects.iter().map(|(topic, subject)| (names.name(*topic), *subject)).unzip();
        let full = sqlx::query_as(FULL_SUBJECTS).bind(&topics).bind(&texts);
        let full = full.bind(i64::from(self.per_subject));
        let rows: Vec<(String, String)> = full.fetch_all(conn).await?;
        let is_full = |(topic, subject): &(Topic, &str)| {
            rows.iter().any(|row| row.0 == names.name(*topic) && row.1 == *subject)
        };
        Ok(subjects.iter().filter(|subject| is_full(subject)).copied().collect())
    }
}

#[cfg(test)]
#[path = "limits_tests.rs"]
mod tests;
