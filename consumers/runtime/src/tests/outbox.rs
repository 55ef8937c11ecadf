//! Who publishes what waits in the outbox, and what does not hold it up.

use std::sync::Arc;
use std::time::Duration;

use events_schema::EventType;
use events_schema::wire::Encoder;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use waiting::{WITHIN, eventually};

use super::world::{PARTITIONS, STOCK, World};
use crate::after::publish::keep_publishing;
use crate::batch::apply_context::ApplyContext;
use crate::batch::follow_ups::save;
use crate::partition::{Offset, Partition, Source, TopicPartition};
use crate::projection::FollowUp;
use crate::settings::ParkedLimits;
use crate::testing::record;
use crate::testing::shelf::{Shelf, received, shelf};
use crate::topic_names::TopicNames;
use crate::worker::workers::Workers;

#[sqlx::test(migrations = false)]
async fn a_follow_up_belongs_to_the_trace_of_its_cause(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let pool = shelf(pool, options).await;
    let (topic, partition) = (STOCK, Partition(3));
    let cause = Source { topic, partition, offset: Offset(7) };
    let mut record = record(cause, received(1, "milk", 1));
    record.envelope.traceparent = Some("00-trace".to_owned());
    let names = TopicNames::unprefixed();
    let encoder = Encoder::new([(EventType::StockReceived, 1)]);
    let limits = ParkedLimits { per_subject: 1, total: 1 };
    let context = ApplyContext { names: &names, encoder: &encoder, source: "/shelf", limits };
    let follow_up = FollowUp { cause, event: received(2, "milk", 1) };
    let mut conn = pool.acquire().await.unwrap();
    save(&mut conn, &context, &[record], &[follow_up]).await.unwrap();
    let headers = sqlx::query_scalar("SELECT headers FROM outbox WHERE partition = 3");
    let headers: Vec<(String, String)> =
        serde_json::from_value(headers.fetch_one(&pool).await.unwrap()).unwrap();
    assert!(headers.contains(&("traceparent".to_owned(), "00-trace".to_owned())), "{headers:?}");
}

pub(crate) const WAITING: &str = "SELECT count(*) FROM outbox";

/// A publisher at work, for these partitions.
pub(crate) struct Publishing {
    pub(crate) workers: Arc<Workers<Shelf>>,
    stop: CancellationToken,
    ended: tokio::task::JoinHandle<anyhow::Result<()>>,
}

pub(crate) async fn publish(world: &World, partitions: &[i32]) -> Publishing {
    let (workers, stop) = (world.workers().await, CancellationToken::new());
    workers.handover.hold(0, partitions.iter().map(|partition| stock(*partition)).collect());
    let ended = tokio::spawn(keep(&workers, &stop));
    Publishing { workers, stop, ended }
}

fn stock(partition: i32) -> TopicPartition {
    TopicPartition::new(STOCK, partition)
}

/// Publishes what waits for the partitions that the workers hold.
fn keep(
    workers: &Workers<Shelf>,
    stop: &CancellationToken,
) -> impl Future<Output = anyhow::Result<()>> + use<> {
    keep_publishing(Arc::clone(&workers.shared), Arc::clone(&workers.handover), stop.clone())
}

impl Publishing {
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        self.ended.await.unwrap().unwrap();
    }
}

pub(crate) async fn leave(world: &World, partition: i32, payload: &[u8]) {
    let insert = "INSERT INTO outbox (topic, partition, record_key, payload, headers)
                  VALUES ('stock', $1, 'milk', $2, '[[\"ce_type\", \"any\"]]')";
    let insert = sqlx::query(insert).bind(partition).bind(payload);
    insert.execute(&world.pool).await.unwrap();
}

#[sqlx::test(migrations = false)]
async fn events_that_an_earlier_owner_left_are_published_in_order_by_the_next(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let world = World::new(pool, options).await;
    for (partition, payload) in [(0, b"one"), (1, b"not"), (0, b"two"), (0, b"end")] {
        leave(&world, partition, payload).await;
    }
    let publishing = publish(&world, &[0]).await;
    world.until_number(WAITING, 1).await;
    publishing.stop().await;
    assert_eq!(world.values(0), [b"one", b"two", b"end"]);
    assert_eq!(world.values(1), Vec::<Vec<u8>>::new(), "another's partition");
}

#[sqlx::test(migrations = false)]
async fn events_of_the_last_batches_are_published_before_the_process_ends(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let world = World::new(pool, options).await;
    leave(&world, 0, b"last").await;
    let (workers, stop) = (world.workers().await, CancellationToken::new());
    workers.handover.hold(0, vec![stock(0)]);
    stop.cancel();
    keep(&workers, &stop).await.unwrap();
    assert_eq!(world.number(WAITING).await, 0);
    assert_eq!(world.values(0), [b"last"]);
}

#[sqlx::test(migrations = false)]
async fn a_partition_that_cannot_be_written_does_not_hold_up_the_others(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let world = World::new(pool, options).await;
    let cluster = world.cluster.as_ref().unwrap();
    cluster.partition_leader("stock", 1, None).unwrap();
    leave(&world, 1, b"stuck").await;
    leave(&world, 0, b"flows").await;
    let publishing = publish(&world, &[0, 1]).await;
    world.until_number(WAITING, 1).await;
    leave(&world, 0, b"on").await;
    eventually("later rows too", async || world.number(WAITING).await == 1).await;
    cluster.partition_leader("stock", 1, Some(1)).unwrap();
    world.until_number(WAITING, 0).await;
    publishing.stop().await;
    assert_eq!(world.values(0), [&b"flows"[..], b"on"]);
    assert_eq!(world.values(1), [b"stuck"]);
}

#[sqlx::test(migrations = false)]
async fn a_refused_event_stops_its_partition_under_a_name(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let world = World::new(pool, options).await;
    leave(&world, 1, b"before").await;
    leave(&world, 1, &vec![0; 2_000_000]).await;
    leave(&world, 1, b"behind").await;
    leave(&world, 0, b"flows").await;
    let publishing = publish(&world, &[0, 1]).await;
    let health = publishing.workers.shared.process.health.clone();
    let named = async || health.not_ready().contains_key("outbox stock/1");
    eventually("the refusal has a name", named).await;
    world.until_number(WAITING, 2).await;
    assert_eq!(world.values(1), [b"before"], "nothing overtakes it");
    assert_eq!(world.values(0), [b"flows"]);
    publishing.stop().await;
}

#[sqlx::test(migrations = false)]
async fn a_partition_is_handed_over_only_when_nothing_of_it_is_under_way(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let world = World::new(pool, options).await;
    let cluster = world.cluster.as_ref().unwrap();
    let publishing = publish(&world, &[0, 1]).await;
    publishing.workers.handover.published(&[stock(1)]).await;
    cluster.partition_leader("stock", 1, None).unwrap();
    leave(&world, 1, b"slow").await;
    leave(&world, 0, b"other").await;
    publishing.workers.shared.wake(1);
    world.until_number(WAITING, 1).await;

    let (handover, moment) = (&publishing.workers.handover, Duration::from_millis(300));
    handover.left(&[stock(0)]).await;
    handover.hold(0, vec![]);
    assert!(timeout(moment, handover.left(&[stock(1)])).await.is_err());
    assert!(timeout(moment, handover.published(&[stock(1)])).await.is_err());
    cluster.partition_leader("stock", 1, Some(1)).unwrap();
    timeout(WITHIN, handover.left(&[stock(1)])).await.unwrap();
    assert_eq!(world.number(WAITING).await, 0, "removed before it is handed over");
    publishing.stop().await;
}

/// Rounds of the publisher without a pause, so that one is nearly always under way.
fn hurry(workers: &Workers<Shelf>) -> tokio::task::JoinHandle<()> {
    let shared = Arc::clone(&workers.shared);
    tokio::spawn(async move {
        loop {
            shared.wake(1);
            tokio::task::yield_now().await;
        }
    })
}

const OFTEN: usize = 50;

#[sqlx::test(migrations = false)]
async fn rows_left_a_moment_ago_are_published_before_published_returns(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let world = World::new(pool, options).await;
    let publishing = publish(&world, &[0]).await;
    let hurry = hurry(&publishing.workers);
    for _ in 0..OFTEN {
        leave(&world, 0, b"last").await;
        publishing.workers.handover.published(&[stock(0)]).await;
        assert_eq!(world.number(WAITING).await, 0);
    }
    hurry.abort();
    publishing.stop().await;
}

#[sqlx::test(migrations = false)]
async fn a_released_partition_is_published_no_more_once_left_returns(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let world = World::new(pool, options).await;
    let publishing = publish(&world, &[]).await;
    let (handover, hurry) = (&publishing.workers.handover, hurry(&publishing.workers));
    let of = "SELECT count(*) FROM outbox WHERE partition = 0";
    for _ in 0..OFTEN {
        leave(&world, 0, b"any").await;
        handover.hold(0, vec![stock(0)]);
        tokio::task::yield_now().await;
        handover.hold(0, vec![]);
        handover.left(&[stock(0)]).await;
        let (left, values) = (world.number(of).await, world.values(0).len());
        handover.published(&[]).await;
        assert_eq!((world.number(of).await, world.values(0).len()), (left, values));
    }
    hurry.abort();
    publishing.stop().await;
}

#[sqlx::test(migrations = false)]
async fn a_worker_that_stops_publishes_what_its_last_batch_left_before_it_leaves(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let world = World::new(pool, options).await;
    let worker = world.worker().await;
    worker.until_holding(PARTITIONS as usize).await;
    let (handover, stop) = (Arc::clone(&worker.workers.handover), CancellationToken::new());
    let publishing = tokio::spawn(keep(&worker.workers, &stop));
    handover.published(&[stock(0)]).await;
    leave(&world, 0, b"last").await;
    worker.stop().await;
    assert_eq!(world.number(WAITING).await, 0);
    assert!(handover.held().is_empty(), "the next owner's from now on");
    stop.cancel();
    publishing.await.unwrap().unwrap();
}
