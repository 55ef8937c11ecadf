//! The runtime's story against a real Postgres, told with the smallest projection there is.

mod stops;

use events_schema::Topic;
use events_schema::wire::Encoder;
use postgres_client::Pinned;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use super::{ApplyError, apply_batch};
use crate::batch::apply_context::ApplyContext;
use crate::batch::decide_batch::Outcomes;
use crate::batch::partition_breaker::PartitionBreakers;
use crate::error::StoreError;
use crate::ownership::owned_partitions::{OwnedPartitions, PositionMove};
use crate::ownership::positions;
use crate::partition::{Epoch, Offset, Partition, Source, TopicPartition};
use crate::record::{Content, Record};
use crate::settings::ParkedLimits;
use crate::testing;
use crate::testing::shelf::{Shelf, received, shelf};
use crate::topic_names::TopicNames;

struct Setting {
    pool: PgPool,
    names: TopicNames,
    encoder: Encoder,
    owned: OwnedPartitions,
    limits: ParkedLimits,
    breakers: PartitionBreakers,
}

impl Setting {
    async fn new(pool: PgPoolOptions, options: PgConnectOptions) -> Self {
        let pool = shelf(pool, options).await;
        let names = TopicNames::unprefixed();
        let encoder = Encoder::new([]);
        let owned = OwnedPartitions::default();
        let limits = ParkedLimits { per_subject: 100, total: 100 };
        let breakers = PartitionBreakers::new(100);
        let mut setting = Self { pool, names, encoder, owned, limits, breakers };
        setting.take().await;
        setting
    }

    async fn take(&mut self) -> Epoch {
        let key = TopicPartition::new(Topic::Stock, 0);
        let ids = [("stock".to_owned(), "id".to_owned())].into();
        let taken = positions::take(&self.pool, &self.names, &ids, &[key]).await.unwrap();
        self.owned.take(key, taken[0].start);
        taken[0].start.epoch
    }

    async fn apply(&mut self, records: &[Record]) -> Result<Outcomes, StoreError> {
        let moves = self.owned.moves(records);
        let outcomes = self.apply_to(&moves, records).await?;
        self.owned.advance(&moves);
        Ok(outcomes)
    }

    async fn apply_to(
        &mut self,
        moves: &[PositionMove],
        records: &[Record],
    ) -> Result<Outcomes, StoreError> {
        match self.try_to(moves, records).await {
            Err(ApplyError::Stop(stops)) => panic!("{stops:?}"),
            Err(ApplyError::Store(error)) => Err(error),
            Ok(outcomes) => Ok(outcomes),
        }
    }

    async fn try_to(
        &mut self,
        moves: &[PositionMove],
        records: &[Record],
    ) -> Result<Outcomes, ApplyError> {
        let (names, encoder, limits) = (&self.names, &self.encoder, self.limits);
        let context = ApplyContext { names, encoder, source: "/shelf", limits };
        let (connection, breakers) = (&mut Pinned::new(self.pool.clone()), &mut self.breakers);
        let applied = apply_batch::<Shelf>(connection, &context, moves, breakers, records).await;
        applied.map_err(|failed| failed.why)
    }

    async fn number(&self, query: &'static str) -> i64 {
        sqlx::query_scalar(query).fetch_one(&self.pool).await.unwrap()
    }
}

fn record(offset: i64, sku: &str, delta: i64) -> Record {
    testing::record(at(offset), received(offset, sku, delta))
}

fn at(offset: i64) -> Source {
    Source { topic: Topic::Stock, partition: Partition(0), offset: Offset(offset) }
}

fn poison(offset: i64, subject: Option<&str>) -> Record {
    let mut record = record(offset, "any", 1);
    record.envelope.subject = subject.map(str::to_owned);
    record.content = Content::Poison { cause: "undecodable", detail: "three bytes".to_owned() };
    record
}

const NEXT: &str = "SELECT next_offset FROM positions";
const DELTAS: &str = "SELECT count(*) FROM deltas";
const PARKED: &str = "SELECT count(*) FROM parked";

#[sqlx::test]
async fn rows_and_position_move_together(pool: PgPoolOptions, options: PgConnectOptions) {
    let mut setting = Setting::new(pool, options).await;
    let outcomes = setting.apply(&[record(0, "a", 1), record(5, "b", 2)]).await.unwrap();
    assert_eq!(outcomes, Outcomes { applied: 2, ..Default::default() });
    assert_eq!(setting.number(DELTAS).await, 2);
    assert_eq!(setting.number(NEXT).await, 6, "one behind the last record, over the hole");
}

#[sqlx::test]
async fn a_worker_whose_partition_was_taken_writes_nothing(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let mut setting = Setting::new(pool, options).await;
    let records = [record(0, "a", 1)];
    let moves = setting.owned.moves(&records);
    setting.take().await;
    let refused = setting.apply_to(&moves, &records).await;
    assert!(matches!(refused, Err(StoreError::Fenced)), "{refused:?}");
    assert_eq!(setting.number(DELTAS).await, 0);
    assert_eq!(setting.number(NEXT).await, 0);
}

#[sqlx::test]
async fn the_same_batch_cannot_be_applied_twice(pool: PgPoolOptions, options: PgConnectOptions) {
    let mut setting = Setting::new(pool, options).await;
    let records = [record(0, "a", 1)];
    let moves = setting.owned.moves(&records);
    setting.apply_to(&moves, &records).await.unwrap();
    let again = setting.apply_to(&moves, &records).await;
    assert!(matches!(again, Err(StoreError::Fenced)), "{again:?}");
    assert_eq!(setting.number(DELTAS).await, 1);
}

/// Offset, cause, offset of the one it waits behind, bytes.
type ParkedRow = (i64, String, Option<i64>, Option<Vec<u8>>);

#[sqlx::test]
async fn a_poison_record_parks_itself_and_the_later_ones_of_its_subject(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let mut setting = Setting::new(pool, options).await;
    let first = [record(0, "a", 1), poison(1, Some("a")), record(2, "a", 2), record(3, "b", 3)];
    let outcomes = setting.apply(&first).await.unwrap();
    assert_eq!(outcomes, Outcomes { applied: 2, rejected: 2, ..Default::default() });
    let outcomes = setting.apply(&[record(4, "a", 4), record(5, "b", 5)]).await.unwrap();
    assert_eq!(outcomes, Outcomes { applied: 1, rejected: 1, ..Default::default() });
    let rows: Vec<ParkedRow> = sqlx::query_as(
        "SELECT p.record_offset, p.cause, head.record_offset, p.payload
         FROM parked p LEFT JOIN parked head ON head.id = p.blocked_by ORDER BY p.id",
    )
    .fetch_all(&setting.pool)
    .await
    .unwrap();
    let bytes = Some(vec![1, 2, 3]);
    assert_eq!(
        rows,
        [
            (1, "undecodable".to_owned(), None, bytes.clone()),
            (2, "blocked".to_owned(), Some(1), bytes.clone()),
            (4, "blocked".to_owned(), Some(1), bytes),
        ]
    );
}

#[sqlx::test]
async fn a_record_that_decide_rejects_parks_with_its_followers_and_no_other(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let mut setting = Setting::new(pool, options).await;
    let records = [record(0, "a", 13), record(1, "a", 1), record(2, "b", 2), record(3, "c", 13)];
    let outcomes = setting.apply(&records).await.unwrap();
    assert_eq!(outcomes, Outcomes { applied: 1, rejected: 3, ..Default::default() });
    assert_eq!(setting.number("SELECT sum(delta) FROM deltas").await, 2);
}

#[sqlx::test]
async fn a_record_without_a_subject_blocks_nobody(pool: PgPoolOptions, options: PgConnectOptions) {
    let mut setting = Setting::new(pool, options).await;
    let outcomes = setting.apply(&[poison(0, None), poison(1, None), record(2, "a", 1)]).await;
    assert_eq!(outcomes.unwrap(), Outcomes { applied: 1, rejected: 2, ..Default::default() });
    assert_eq!(setting.number("SELECT count(*) FROM parked WHERE blocked_by IS NULL").await, 2);
}

#[sqlx::test]
async fn a_failed_batch_writes_nothing_and_stays_whole(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let mut setting = Setting::new(pool, options).await;
    let records = [poison(0, Some("a")), record(1, "b", 99), record(2, "c", 3)];
    let refused = setting.apply(&records).await;
    assert!(matches!(refused, Err(StoreError::Refused(_))), "{refused:?}");
    for query in [DELTAS, PARKED, NEXT] {
        assert_eq!(setting.number(query).await, 0, "{query}");
    }
    assert!(records[1..].iter().all(|record| matches!(record.content, Content::Event(_))));
}

#[sqlx::test]
async fn a_repeated_event_counts_as_a_duplicate(pool: PgPoolOptions, options: PgConnectOptions) {
    let mut setting = Setting::new(pool, options).await;
    setting.apply(&[record(0, "a", 1)]).await.unwrap();
    let mut again = record(0, "a", 1);
    again.source.offset = Offset(1);
    let outcomes = setting.apply(&[again]).await.unwrap();
    assert_eq!(outcomes, Outcomes { duplicate: 1, ..Default::default() });
    assert_eq!(setting.number(DELTAS).await, 1);
    assert_eq!(setting.number(NEXT).await, 2);
}

#[sqlx::test]
async fn a_record_refused_by_a_rule_parks_nothing_and_holds_up_no_other(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let mut setting = Setting::new(pool, options).await;
    let first = [record(0, "a", 1), record(1, "a", -13), record(2, "a", 2)];
    let outcomes = setting.apply(&first).await.unwrap();
    assert_eq!(outcomes, Outcomes { applied: 2, refused: 1, ..Default::default() });
    let outcomes = setting.apply(&[record(3, "a", 3)]).await.unwrap();
    assert_eq!(outcomes, Outcomes { applied: 1, ..Default::default() });
    assert_eq!(setting.number(PARKED).await, 0);
    assert_eq!(setting.number("SELECT sum(delta) FROM deltas").await, 6);
}

#[sqlx::test]
async fn a_parked_subject_of_another_topic_blocks_nobody(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let mut setting = Setting::new(pool, options).await;
    let mut product = poison(0, Some("a"));
    product.source.topic = Topic::Products;
    let outcomes = setting.apply(&[product, record(0, "a", 1)]).await.unwrap();
    assert_eq!(outcomes, Outcomes { applied: 1, rejected: 1, ..Default::default() });
    let outcomes = setting.apply(&[record(1, "a", 2)]).await.unwrap();
    assert_eq!(outcomes, Outcomes { applied: 1, ..Default::default() });
}

#[sqlx::test]
async fn records_that_do_not_change_the_projection_never_park(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let mut setting = Setting::new(pool, options).await;
    let mut irrelevant = poison(1, Some("a"));
    irrelevant.content = Content::Irrelevant;
    let outcomes = setting.apply(&[poison(0, Some("a")), irrelevant]).await.unwrap();
    assert_eq!(outcomes, Outcomes { applied: 1, rejected: 1, ..Default::default() });
}

#[sqlx::test]
async fn a_detail_with_a_zero_character_parks(pool: PgPoolOptions, options: PgConnectOptions) {
    let mut setting = Setting::new(pool, options).await;
    let mut record = poison(0, Some("a"));
    record.content = Content::Poison { cause: "undecodable", detail: "a\0b".to_owned() };
    let outcomes = setting.apply(&[record]).await.unwrap();
    assert_eq!(outcomes, Outcomes { rejected: 1, ..Default::default() });
    let detail: String =
        sqlx::query_scalar("SELECT detail FROM parked").fetch_one(&setting.pool).await.unwrap();
    assert_eq!(detail, "a\u{fffd}b");
}

#[sqlx::test]
async fn a_transaction_that_is_repeated_leaves_nothing_of_its_first_try(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let mut setting = Setting::new(pool, options).await;
    setting.apply(&[record(0, "a", 13), record(1, "b", 2)]).await.unwrap();
    let loads = setting.number("SELECT sum(records) FROM loads").await;
    assert_eq!(loads, 1, "only the pass that was committed left what load wrote");
}

#[sqlx::test]
async fn a_rejection_of_what_is_not_in_the_batch_is_a_defect_and_ends(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let mut setting = Setting::new(pool, options).await;
    let refused = setting.apply(&[record(0, "a", testing::shelf::BLAMES_ANOTHER)]).await;
    assert!(matches!(refused, Err(StoreError::Broken(_))), "{refused:?}");
    assert_eq!(setting.number(NEXT).await, 0);
}

#[sqlx::test]
async fn a_duplicate_that_is_counted_twice_is_a_defect(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let mut setting = Setting::new(pool, options).await;
    let refused = setting.apply(&[record(0, "a", testing::shelf::COUNTS_TWICE)]).await;
    assert!(matches!(refused, Err(StoreError::Broken(_))), "{refused:?}");
    assert_eq!(setting.number(DELTAS).await, 0);
}

/// Few subjects, so that everything meets everything; 13 is rejected, -13 refused, 0 is poison.
fn history() -> impl Strategy<Value = Vec<(&'static str, i64, bool)>> {
    let sku = prop::sample::select(&["a", "b", "c", "d", "e"][..]);
    let delta = prop_oneof![6 => 1..9_i64, 1 => Just(13), 1 => Just(-13), 1 => Just(0)];
    prop::collection::vec((sku, delta, prop::bool::weighted(0.1)), 1..30)
}

fn to_record((offset, (sku, delta, is_irrelevant)): (i64, (&str, i64, bool))) -> Record {
    let mut record =
        if delta == 0 { poison(offset, Some(sku)) } else { record(offset, sku, delta) };
    if is_irrelevant {
        record.content = Content::Irrelevant;
    }
    record
}

#[sqlx::test]
async fn every_record_received_is_applied_or_a_duplicate_or_refused_or_rejected(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let mut setting = Setting::new(pool, options).await;
    let mut runner = TestRunner::deterministic();
    for _ in 0..24 {
        let history = history().new_tree(&mut runner).unwrap().current();
        let cut = (0..history.len()).new_tree(&mut runner).unwrap().current();
        let reset = "TRUNCATE deltas, parked; UPDATE positions SET next_offset = 0";
        sqlx::raw_sql(reset).execute(&setting.pool).await.unwrap();
        setting.owned.correct(TopicPartition::new(Topic::Stock, 0), Offset(0));
        let irrelevant = history.iter().filter(|record| record.2).count() as i64;
        let records: Vec<Record> = (0..).zip(history.clone()).map(to_record).collect();
        let mut total = Outcomes::default();
        let (first, second) = records.split_at(cut);
        for part in [first, second].into_iter().filter(|part| !part.is_empty()) {
            let outcomes = setting.apply(part).await.unwrap();
            total.applied += outcomes.applied;
            total.refused += outcomes.refused;
            total.rejected += outcomes.rejected;
        }
        assert_eq!(total.received(), records.len(), "cut at {cut}: {history:?}");
        let applied = setting.number(DELTAS).await + irrelevant;
        assert_eq!(total.applied as i64, applied, "cut at {cut}: {history:?}");
        assert_eq!(total.rejected as i64, setting.number(PARKED).await, "{history:?}");
        let asked = history.iter().filter(|(_, delta, skipped)| *delta == -13 && !skipped).count();
        assert!(total.refused <= asked, "cut at {cut}: {history:?}");
    }
}

#[sqlx::test]
async fn a_parked_record_stays_as_it_is_when_it_is_read_again(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let mut setting = Setting::new(pool, options).await;
    setting.apply(&[poison(0, Some("a")), record(1, "a", 1)]).await.unwrap();
    let back = "UPDATE positions SET next_offset = 0";
    sqlx::raw_sql(back).execute(&setting.pool).await.unwrap();
    setting.take().await;
    let outcomes = setting.apply(&[poison(0, Some("a")), record(1, "a", 1)]).await.unwrap();
    assert_eq!(outcomes, Outcomes { rejected: 2, ..Default::default() });
    assert_eq!(setting.number(PARKED).await, 2);
}
