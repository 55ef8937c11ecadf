//! Where a projection is tried: its tables, and a log whose records stand in two partitions of each
//! topic. Holds no claim but that positions move with what is applied.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::marker::PhantomData;
use std::ops::Add;

use events_schema::Event;
use sqlx::{AssertSqlSafe, PgPool};

use super::{Tables, is_event};
use crate::batch::apply_batch::ApplyError;
use crate::batch::decide_batch::Outcomes;
use crate::partition::{Offset, Partition, Source};
use crate::projection::Projection;
use crate::record::{Content, Record};
use crate::testing::{self, apply_records};

const PARTITIONS: u32 = 2;

pub(super) struct Stage<'a, P> {
    pool: &'a PgPool,
    tables: Tables,
    log: Vec<(Source, Event)>,
    projection: PhantomData<P>,
}

impl<P> fmt::Debug for Stage<'_, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.log).finish()
    }
}

/// How many records ended how.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ended {
    applied: usize,
    duplicate: usize,
    refused: usize,
    rejected: usize,
}

impl Add for Ended {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            applied: self.applied + other.applied,
            duplicate: self.duplicate + other.duplicate,
            refused: self.refused + other.refused,
            rejected: self.rejected + other.rejected,
        }
    }
}

/// Each with the name of its table, and a number of its own where two are the same.
pub(super) type Rows = BTreeSet<String>;

/// Topic, partition and offset.
pub(super) type Place = (String, i32, i64);

impl<'a, P: Projection> Stage<'a, P> {
    pub(super) fn new(pool: &'a PgPool, tables: Tables, log: &[Event]) -> Self {
        let mut ends = BTreeMap::new();
        let place = |event: &Event| {
            let hash: u32 = event.key().bytes().map(u32::from).sum();
            let partition = Partition((hash % PARTITIONS) as i32);
            let topic = event.event_type().topic();
            let end = ends.entry((topic, partition)).or_insert(Offset(0));
            let source = Source { topic, partition, offset: *end };
            *end = end.next();
            (source, event.clone())
        };
        let read = log.iter().filter(|event| P::TOPICS.contains(&event.event_type().topic()));
        Self { pool, tables, log: read.map(place).collect(), projection: PhantomData }
    }

    /// The log, as it would have been fetched and decoded.
    pub(super) fn records(&self) -> Vec<Record> {
        let record = |(source, event): &(Source, Event)| {
            let mut record = testing::record(*source, event.clone());
            if !P::EVENTS.contains(&event.event_type()) {
                record.content = Content::Irrelevant;
            }
            record
        };
        self.log.iter().map(record).collect()
    }

    /// What parks where this record is poison, and the records that do not.
    pub(super) fn without(&self, poisoned: Source) -> (Vec<Place>, Vec<Record>) {
        let mut subject = None;
        let parks = |record: &mut Record| {
            let own = (record.source.topic, record.subject().map(str::to_owned));
            if record.source == poisoned {
                subject = Some(own);
                return true;
            }
            is_event(record) && subject.as_ref() == Some(&own)
        };
        let mut records = self.records();
        let parked = records.extract_if(.., parks).map(|record| place(record.source));
        let mut parked: Vec<Place> = parked.collect();
        parked.sort();
        (parked, records)
    }

    /// As before the first batch.
    pub(super) async fn empty(&self) {
        let tables = self.tables.all.join(", ");
        self.run(format!("TRUNCATE {tables}, parked, outbox, positions CASCADE")).await;
    }

    /// The positions stand before this batch again.
    pub(super) async fn set_back_to(&self, batch: &[Record]) {
        for source in batch.iter().rev().map(|record| record.source) {
            let (topic, partition, offset) = place(source);
            self.run(format!(
                "UPDATE positions SET next_offset = {offset}
                 WHERE topic = '{topic}' AND partition = {partition}"
            ))
            .await;
        }
    }

    /// Applies a batch, which must succeed.
    pub(super) async fn apply(&self, batch: &[Record]) -> Ended {
        let outcomes = self.try_to_apply::<P>(batch).await.unwrap();
        let Outcomes { applied, duplicate, refused, rejected, .. } = outcomes;
        let mut ends = BTreeMap::new();
        for record in batch {
            let (topic, partition, offset) = place(record.source);
            ends.insert((topic, partition), offset + 1);
        }
        let moved: BTreeMap<_, _> =
            self.moved().await.into_iter().map(|(topic, n, next)| ((topic, n), next)).collect();
        for (key, end) in ends {
            let stands = moved.get(&key);
            assert_eq!(stands, Some(&end), "rows and positions move together: {key:?}: {self:?}");
        }
        Ended { applied, duplicate, refused, rejected }
    }

    /// Applies a batch by another projection on the same tables.
    pub(super) async fn try_to_apply<Q: Projection>(
        &self,
        batch: &[Record],
    ) -> Result<Outcomes, ApplyError> {
        apply_records::<Q>(self.pool, batch).await
    }

    /// The positions that are not at the beginning.
    pub(super) async fn moved(&self) -> Vec<Place> {
        self.places("positions WHERE next_offset > 0", "next_offset").await
    }

    pub(super) async fn parked(&self) -> Vec<Place> {
        self.places("parked", "record_offset").await
    }

    async fn places(&self, rows: &str, offset: &str) -> Vec<Place> {
        let query = format!("SELECT topic, partition, {offset} FROM {rows} ORDER BY 1, 2, 3");
        sqlx::query_as(AssertSqlSafe(query)).fetch_all(self.pool).await.unwrap()
    }

    /// What the tables say, and what is to be published.
    pub(super) async fn rows(&self) -> Rows {
        self.rows_of(self.tables.all.iter().copied()).await
    }

    /// What no record that comes again may change.
    pub(super) async fn lasting_rows(&self) -> Rows {
        let all = self.tables.all.iter().copied();
        self.rows_of(all.filter(|table| !self.tables.of_encounters.contains(table))).await
    }

    async fn rows_of(&self, tables: impl Iterator<Item = &str>) -> Rows {
        let passing = self.tables.passing_columns;
        let mut all = Rows::new();
        for table in tables {
            let rows = format!(
                "SELECT concat_ws(' ', $1, row_number() OVER (PARTITION BY row), row)
                 FROM (SELECT (to_jsonb(t) - $2::text[])::text AS row FROM {table} AS t) AS rows"
            );
            let rows = sqlx::query_scalar(AssertSqlSafe(rows)).bind(table).bind(passing);
            all.extend(rows.fetch_all(self.pool).await.unwrap());
        }
        // Their bytes say when they were decided.
        let outbox = "SELECT concat_ws(' ', 'outbox', row_number() OVER (PARTITION BY topic,
                          partition, record_key), topic, partition, record_key) FROM outbox";
        all.extend(sqlx::query_scalar(outbox).fetch_all(self.pool).await.unwrap());
        all
    }

    async fn run(&self, statement: String) {
        sqlx::raw_sql(AssertSqlSafe(statement)).execute(self.pool).await.unwrap();
    }
}

fn place(source: Source) -> Place {
    (source.topic.name().to_owned(), source.partition.0, source.offset.0)
}
