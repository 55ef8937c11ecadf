//! How much may be parked: what parks without end is no poison but a fault, and a table that grows
//! without end is one too.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use events_schema::Topic;
use sqlx::PgConnection;

use super::{Reason, subject_of};
use crate::error::StoreError;
use crate::halt::Halt;
use crate::lanes::LaneKey;
use crate::record::Record;
use crate::topic_names::TopicNames;

/// The most records that may be parked; discarded ones do not count.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// Of one subject.
    pub per_subject: u32,
    /// Of the projection.
    pub total: u32,
}

impl Bounds {
    /// The partitions that have to stop, because with what was just parked there is too much: those
    /// that parked something, or something of a subject that has too much. Costs a batch without
    /// parked records nothing.
    pub(crate) async fn exceeded(
        self,
        conn: &mut PgConnection,
        names: &TopicNames,
        records: &[Record],
        reasons: &[Option<Reason>],
    ) -> Result<Vec<(LaneKey, Halt)>, StoreError> {
        let parked =
            || records.iter().zip(reasons).filter(|(_, why)| why.is_some()).map(|(r, _)| r);
        let lanes: BTreeSet<LaneKey> = parked().map(|record| record.source.lane()).collect();
        if lanes.is_empty() {
            return Ok(vec![]);
        }
        let count = "SELECT count(*) FROM parked WHERE state <> 'discarded'";
        let total: i64 = sqlx::query_scalar(count).fetch_one(&mut *conn).await?;
        if total > i64::from(self.total) {
            let what = format!("more than {} records would be parked (PARKED_MAX)", self.total);
            return Ok(lanes
                .into_iter()
                .map(|key| (key, Halt::ParkedFull(what.clone())))
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
                stops.entry(record.source.lane()).or_insert(Halt::ParkedFull(what));
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
        let rows: Vec<(String, String)> = sqlx::query_as(
            "SELECT topic, subject FROM unnest($1::text[], $2::text[]) AS batch (topic, subject)
             WHERE (SELECT count(*) FROM parked AS p WHERE p.topic = batch.topic
                    AND p.subject = batch.subject AND p.state <> 'discarded') > $3",
        )
        .bind(&topics)
        .bind(&texts)
        .bind(i64::from(self.per_subject))
        .fetch_all(conn)
        .await?;
        let is_full = |(topic, subject): &(Topic, &str)| {
            rows.iter().any(|row| row.0 == names.name(*topic) && row.1 == *subject)
        };
        Ok(subjects.iter().filter(|subject| is_full(subject)).copied().collect())
    }
}
