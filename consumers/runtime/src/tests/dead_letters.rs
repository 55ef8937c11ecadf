//! What is parked is copied to its dead-letter topic, as it came where it fits.

use std::sync::Arc;

use events_schema::Topic;
use rdkafka::Message;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{BorrowedMessage, Header, Headers, OwnedHeaders};
use rdkafka::types::RDKafkaRespErr;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use waiting::WITHIN;

use super::world::{PARTITIONS, Running, World};
use crate::after::dead_letters::{keep_copying, oldest_seconds};
use crate::partition::TopicPartition;
use crate::testing::shelf::Shelf;
use crate::worker::workers::Workers;

fn header<'a>(message: &'a BorrowedMessage<'_>, name: &str) -> Option<&'a [u8]> {
    message.headers().unwrap().iter().find(|header| header.key == name)?.value
}

/// Copies what the workers park.
fn keep(
    workers: &Workers<Shelf>,
    stop: &CancellationToken,
) -> impl Future<Output = anyhow::Result<()>> + use<> {
    keep_copying(Arc::clone(&workers.shared), Arc::clone(&workers.handover), stop.clone())
}

/// A worker at work, and whoever copies what it parks.
struct Copying {
    worker: Running,
    stop: CancellationToken,
    ended: JoinHandle<anyhow::Result<()>>,
}

impl Copying {
    async fn start(world: &World) -> Self {
        let cluster = world.cluster.as_ref().unwrap();
        cluster.create_topic("stock.dead-letters.shelf", PARTITIONS, 1).unwrap();
        let (worker, stop) = (world.worker().await, CancellationToken::new());
        let ended = tokio::spawn(keep(&worker.workers, &stop));
        Self { worker, stop, ended }
    }

    async fn stop(self) {
        self.stop.cancel();
        self.ended.await.unwrap().unwrap();
        self.worker.stop().await;
    }
}

/// Reads the copies of what parked in partition 2.
fn reader(world: &World) -> BaseConsumer {
    let reader: BaseConsumer = world.kafka.reader("test").create().unwrap();
    let mut list = rdkafka::TopicPartitionList::new();
    let beginning = rdkafka::Offset::Beginning;
    list.add_partition_offset("stock.dead-letters.shelf", 2, beginning).unwrap();
    reader.assign(&list).unwrap();
    reader
}

#[sqlx::test(migrations = false)]
async fn a_copy_too_large_for_its_topic_keeps_only_where_the_record_is(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let world = World::new(pool, options).await;
    let copying = Copying::start(&world).await;
    let insert = "INSERT INTO parked (topic, partition, record_offset, cause, detail, blocks,
                      record_key, payload, headers, recorded_at)
                  SELECT 'stock', 2, n, 'undecodable', 'why', false, 'milk',
                      decode(repeat('00', CASE n WHEN 0 THEN 5000000 ELSE 1 END), 'hex'),
                      '[[\"odd\", \"x\"]]', now()
                  FROM generate_series(0, 1) AS n";
    sqlx::query(insert).execute(&world.pool).await.unwrap();
    let copied = "SELECT count(*) FROM parked WHERE dead_lettered_at IS NOT NULL";
    world.until_number(copied, 2).await;

    let reader = reader(&world);
    let copies = [(); 2].map(|()| reader.poll(WITHIN).unwrap().unwrap());
    for copy in &copies {
        let is_whole = copy.payload().is_some();
        let offset: &[u8] = if is_whole { b"1" } else { b"0" };
        assert_eq!(header(copy, "__orderflow.errors.offset"), Some(offset));
        assert_eq!((header(copy, "odd").is_some(), copy.key().is_some()), (is_whole, is_whole));
        let detail = header(copy, "__orderflow.errors.detail").unwrap();
        assert_eq!(String::from_utf8_lossy(detail).contains("too large"), !is_whole);
    }
    assert_eq!(copies.iter().filter(|copy| copy.payload().is_some()).count(), 1);
    copying.stop().await;
}

#[sqlx::test(migrations = false)]
async fn a_parked_record_is_copied_as_it_came_with_where_and_why(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let world = World::new(pool, options).await;
    let copying = Copying::start(&world).await;
    let odd = Header { key: "odd", value: Some([0_u8, 255].as_slice()) };
    world.write(2, "milk", b"junk", OwnedHeaders::new().insert(odd)).await;
    let copied = "SELECT count(*) FROM parked WHERE dead_lettered_at IS NOT NULL";
    world.until_number(copied, 1).await;

    let reader = reader(&world);
    let copy = reader.poll(WITHIN).unwrap().unwrap();
    assert_eq!((copy.key(), copy.payload()), (Some(b"milk".as_slice()), Some(b"junk".as_slice())));
    assert_eq!(header(&copy, "odd"), Some([0_u8, 255].as_slice()));
    for (name, value) in [
        ("group", "shelf"),
        ("topic", "stock"),
        ("partition", "2"),
        ("offset", "0"),
        ("cause", "undecodable"),
        ("attempts", "1"),
    ] {
        let name = format!("__orderflow.errors.{name}");
        assert_eq!(header(&copy, &name), Some(value.as_bytes()), "{name}");
    }
    copying.stop().await;
}

#[sqlx::test(migrations = false)]
async fn a_topic_that_takes_no_copies_holds_up_those_of_no_other(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let world = World::new(pool, options).await;
    let cluster = world.cluster.as_ref().unwrap();
    let refused = RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED;
    cluster.create_topic("orders.dead-letters.shelf", PARTITIONS, 1).unwrap();
    cluster.topic_error("orders.dead-letters.shelf", refused).unwrap();
    cluster.create_topic("stock.dead-letters.shelf", PARTITIONS, 1).unwrap();
    // More than a round takes, and older.
    let insert = "INSERT INTO parked (topic, partition, record_offset, cause, detail, blocks,
                      headers, recorded_at, parked_at)
                  SELECT CASE WHEN n < 50 THEN 'orders' ELSE 'stock' END, 0, n, 'undecodable',
                      'why', false, '[]', now(), now() - interval '1 hour'
                  FROM generate_series(0, 50) AS n";
    sqlx::query(insert).execute(&world.pool).await.unwrap();
    let (workers, stop) = (world.workers().await, CancellationToken::new());
    let (shared, handover) = (&workers.shared, &workers.handover);
    let [orders, stock] = [Topic::Orders, Topic::Stock].map(|topic| TopicPartition::new(topic, 0));
    handover.hold(0, vec![orders, stock]);
    let copying = tokio::spawn(keep(&workers, &stop));

    let copied = "SELECT count(*) FROM parked WHERE dead_lettered_at IS NOT NULL";
    world.until_number(copied, 1).await;
    assert!(oldest_seconds(shared, handover).await.unwrap() >= 3600.0, "those of the orders wait");
    handover.hold(0, vec![stock]);
    assert_eq!(oldest_seconds(shared, handover).await.unwrap(), 0.0, "none of the stock waits");
    stop.cancel();
    copying.await.unwrap().unwrap();
}
