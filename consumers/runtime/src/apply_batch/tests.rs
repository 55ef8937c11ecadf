//! The runtime's story against a real Postgres, told with the smallest projection there is: it
//! keeps every stock delta once, and refuses 13 (later deltas park) and -13 (they flow).

use events_schema::wire::Encoder;
use events_schema::{Event, EventId, EventType, StockDelta, StockReceived, Timestamp, Topic};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use super::{Bench, Outcomes, apply_batch};
use crate::error::StoreError;
use crate::lanes::{Lane, Lanes, Span};
use crate::positions;
use crate::projection::{
    Batch, Decision, Delivered, Later, Offset, Partition, Projection, Rejection, Source,
};
use crate::record::{Content, Raw, Record};
use crate::testing::database;
use crate::topic_names::TopicNames;

struct Shelf;

impl Projection for Shelf {
    const NAME: &'static str = "shelf";
    const TOPICS: &'static [Topic] = &[Topic::Stock];
    const EVENTS: &'static [EventType] = &[EventType::StockReceived];
    type State = Vec<Uuid>;
    type Change = (Uuid, i32);

    async fn load(conn: &mut PgConnection, batch: &Batch) -> Result<Self::State, StoreError> {
        let ids: Vec<Uuid> = batch.event_ids().into_iter().map(EventId::uuid).collect();
        let known = sqlx::query_scalar("SELECT event_id FROM deltas WHERE event_id = ANY($1)");
        Ok(known.bind(ids).fetch_all(conn).await?)
    }

    fn decide(known: Self::State, batch: &Batch) -> Decision<Self::Change> {
        let mut decision = Decision::default();
        for Delivered { source, event, .. } in &batch.records {
            let Event::StockReceived(received) = event else { continue };
            if known.contains(&received.event_id.uuid()) {
                decision.duplicates.push(*source);
            } else if received.delta.get() == 13 {
                let (cause, detail) = ("unlucky", "13 is not kept".to_owned());
                let (source, later) = (*source, Later::Parks);
                decision.rejections.push(Rejection { source, cause, detail, later });
            } else if received.delta.get() == -13 {
                let (cause, detail) = ("too-unlucky", "nor is what it takes".to_owned());
                let (source, later) = (*source, Later::Flows);
                decision.rejections.push(Rejection { source, cause, detail, later });
            } else {
                decision.changes.push((received.event_id.uuid(), received.delta.get()));
            }
        }
        decision
    }

    async fn save(conn: &mut PgConnection, changes: &[Self::Change]) -> Result<(), StoreError> {
        let (ids, deltas): (Vec<Uuid>, Vec<i32>) = changes.iter().copied().unzip();
        let insert = "INSERT INTO deltas SELECT * FROM unnest($1::uuid[], $2::int[])";
        sqlx::query(insert).bind(ids).bind(deltas).execute(conn).await?;
        Ok(())
    }
}

struct Setting {
    pool: PgPool,
    names: TopicNames,
    encoder: Encoder,
    lanes: Lanes,
}

impl Setting {
    async fn new(pool: PgPoolOptions, options: PgConnectOptions) -> Self {
        let none = sqlx::migrate::Migrator::with_migrations(vec![]);
        let pool = database::<Shelf>(pool, options, &none).await;
        let table =
            "CREATE TABLE deltas (event_id uuid PRIMARY KEY, delta int CHECK (delta <> 99))";
        sqlx::query(table).execute(&pool).await.unwrap();
        let names = TopicNames::unprefixed();
        let encoder = Encoder::new([]).unwrap();
        let mut setting = Self { pool, names, encoder, lanes: Lanes::default() };
        setting.take().await;
        setting
    }

    async fn take(&mut self) -> i64 {
        let key = (Topic::Stock, 0);
        let ids = [("stock".to_owned(), "id".to_owned())].into();
        let taken = positions::take(&self.pool, &self.names, &ids, &[key]).await.unwrap();
        self.lanes.take(key, Lane { epoch: taken[0].epoch, next: taken[0].next });
        taken[0].epoch
    }

    async fn apply(&mut self, records: &mut [Record]) -> Result<Outcomes, StoreError> {
        let spans = self.lanes.spans(records);
        let outcomes = self.apply_to(&spans, records).await?;
        self.lanes.advance(&spans);
        Ok(outcomes)
    }

    async fn apply_to(
        &self,
        spans: &[Span],
        records: &mut [Record],
    ) -> Result<Outcomes, StoreError> {
        let (pool, names, encoder) = (&self.pool, &self.names, &self.encoder);
        apply_batch::<Shelf>(&Bench { pool, names, encoder, source: "/shelf" }, spans, records)
            .await
    }

    async fn number(&self, query: &'static str) -> i64 {
        sqlx::query_scalar(query).fetch_one(&self.pool).await.unwrap()
    }
}

fn record(offset: i64, sku: &str, delta: i64) -> Record {
    let event = StockReceived {
        event_id: Uuid::from_u128(offset.unsigned_abs().into()).into(),
        sku: sku.parse().unwrap(),
        delta: StockDelta::try_from(delta).unwrap(),
        received_at: Timestamp::from_micros(0),
    };
    let mut record = poison(offset, Some(sku));
    record.content = Content::Event(event.into());
    record
}

fn poison(offset: i64, subject: Option<&str>) -> Record {
    let source = Source { topic: Topic::Stock, partition: Partition(0), offset: Offset(offset) };
    let envelope = events_schema::envelope::Envelope {
        subject: subject.map(str::to_owned),
        ..Default::default()
    };
    let headers = vec![("ce_subject".to_owned(), subject.map(|s| s.as_bytes().to_vec()))];
    let raw = Raw { key: None, payload: Some(vec![1, 2, 3]), headers };
    let content = Content::Poison { cause: "undecodable", detail: "three bytes".to_owned() };
    Record { source, epoch: 1, recorded_at: Timestamp::from_micros(0), envelope, raw, content }
}

const NEXT: &str = "SELECT next_offset FROM positions";
const DELTAS: &str = "SELECT count(*) FROM deltas";
const PARKED: &str = "SELECT count(*) FROM parked";

#[sqlx::test]
async fn rows_and_position_move_together(pool: PgPoolOptions, options: PgConnectOptions) {
    let mut setting = Setting::new(pool, options).await;
    let outcomes = setting.apply(&mut [record(0, "a", 1), record(5, "b", 2)]).await.unwrap();
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
    let mut records = [record(0, "a", 1)];
    let spans = setting.lanes.spans(&records);
    setting.take().await;
    let refused = setting.apply_to(&spans, &mut records).await;
    assert!(matches!(refused, Err(StoreError::Fenced)), "{refused:?}");
    assert_eq!(setting.number(DELTAS).await, 0);
    assert_eq!(setting.number(NEXT).await, 0);
}

#[sqlx::test]
async fn the_same_batch_cannot_be_applied_twice(pool: PgPoolOptions, options: PgConnectOptions) {
    let setting = Setting::new(pool, options).await;
    let mut records = [record(0, "a", 1)];
    let spans = setting.lanes.spans(&records);
    setting.apply_to(&spans, &mut records).await.unwrap();
    let again = setting.apply_to(&spans, &mut records).await;
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
    let mut first = [record(0, "a", 1), poison(1, Some("a")), record(2, "a", 2), record(3, "b", 3)];
    let outcomes = setting.apply(&mut first).await.unwrap();
    assert_eq!(outcomes, Outcomes { applied: 2, rejected: 2, ..Default::default() });
    let outcomes = setting.apply(&mut [record(4, "a", 4), record(5, "b", 5)]).await.unwrap();
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
async fn what_decide_refuses_parks_with_its_followers_and_nothing_else(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let mut setting = Setting::new(pool, options).await;
    let mut records =
        [record(0, "a", 13), record(1, "a", 1), record(2, "b", 2), record(3, "c", 13)];
    let outcomes = setting.apply(&mut records).await.unwrap();
    assert_eq!(outcomes, Outcomes { applied: 1, rejected: 3, ..Default::default() });
    assert_eq!(setting.number("SELECT sum(delta) FROM deltas").await, 2);
}

#[sqlx::test]
async fn a_record_without_a_subject_blocks_nobody(pool: PgPoolOptions, options: PgConnectOptions) {
    let mut setting = Setting::new(pool, options).await;
    let outcomes = setting.apply(&mut [poison(0, None), poison(1, None), record(2, "a", 1)]).await;
    assert_eq!(outcomes.unwrap(), Outcomes { applied: 1, rejected: 2, ..Default::default() });
    assert_eq!(setting.number("SELECT count(*) FROM parked WHERE blocked_by IS NULL").await, 2);
}

#[sqlx::test]
async fn after_a_failure_nothing_is_written_and_the_batch_is_whole(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let mut setting = Setting::new(pool, options).await;
    let mut records = [poison(0, Some("a")), record(1, "b", 99), record(2, "c", 3)];
    let refused = setting.apply(&mut records).await;
    assert!(matches!(refused, Err(StoreError::Refused(_))), "{refused:?}");
    for query in [DELTAS, PARKED, NEXT] {
        assert_eq!(setting.number(query).await, 0, "{query}");
    }
    assert!(records[1..].iter().all(|record| matches!(record.content, Content::Event(_))));
}

#[sqlx::test]
async fn a_repeated_event_counts_as_a_duplicate(pool: PgPoolOptions, options: PgConnectOptions) {
    let mut setting = Setting::new(pool, options).await;
    setting.apply(&mut [record(0, "a", 1)]).await.unwrap();
    let mut again = record(0, "a", 1);
    again.source.offset = Offset(1);
    let outcomes = setting.apply(&mut [again]).await.unwrap();
    assert_eq!(outcomes, Outcomes { duplicate: 1, ..Default::default() });
    assert_eq!(setting.number(DELTAS).await, 1);
    assert_eq!(setting.number(NEXT).await, 2);
}

#[sqlx::test]
async fn a_rejection_that_lets_later_events_flow_parks_alone(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let mut setting = Setting::new(pool, options).await;
    let mut first = [record(0, "a", 1), record(1, "a", -13), record(2, "a", 2)];
    let outcomes = setting.apply(&mut first).await.unwrap();
    assert_eq!(outcomes, Outcomes { applied: 2, rejected: 1, ..Default::default() });
    let outcomes = setting.apply(&mut [record(3, "a", 3)]).await.unwrap();
    assert_eq!(outcomes, Outcomes { applied: 1, ..Default::default() });
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
    let outcomes = setting.apply(&mut [product, record(0, "a", 1)]).await.unwrap();
    assert_eq!(outcomes, Outcomes { applied: 1, rejected: 1, ..Default::default() });
    let outcomes = setting.apply(&mut [record(1, "a", 2)]).await.unwrap();
    assert_eq!(outcomes, Outcomes { applied: 1, ..Default::default() });
}

#[sqlx::test]
async fn what_does_not_change_the_projection_never_parks(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let mut setting = Setting::new(pool, options).await;
    let mut irrelevant = poison(1, Some("a"));
    irrelevant.content = Content::Irrelevant;
    let outcomes = setting.apply(&mut [poison(0, Some("a")), irrelevant]).await.unwrap();
    assert_eq!(outcomes, Outcomes { applied: 1, rejected: 1, ..Default::default() });
}

#[sqlx::test]
async fn a_detail_with_a_zero_character_parks(pool: PgPoolOptions, options: PgConnectOptions) {
    let mut setting = Setting::new(pool, options).await;
    let mut record = poison(0, Some("a"));
    record.content = Content::Poison { cause: "undecodable", detail: "a\0b".to_owned() };
    let outcomes = setting.apply(&mut [record]).await.unwrap();
    assert_eq!(outcomes, Outcomes { rejected: 1, ..Default::default() });
    let detail: String =
        sqlx::query_scalar("SELECT detail FROM parked").fetch_one(&setting.pool).await.unwrap();
    assert_eq!(detail, "a\u{fffd}b");
}
