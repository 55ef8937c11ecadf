//! What is parked is copied to its dead-letter topic, as it came.

use std::sync::Arc;

use rdkafka::Message;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{BorrowedMessage, Header, Headers, OwnedHeaders};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tokio_util::sync::CancellationToken;

use super::world::{PARTITIONS, WITHIN, World};
use crate::dead_letters::keep_copying;

fn header<'a>(message: &'a BorrowedMessage<'_>, name: &str) -> Option<&'a [u8]> {
    message.headers().unwrap().iter().find(|header| header.key == name)?.value
}

#[sqlx::test(migrations = false)]
async fn what_parks_is_copied_as_it_came_with_where_and_why(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let world = World::new(pool, options).await;
    let cluster = world.cluster.as_ref().unwrap();
    cluster.create_topic("stock.dead-letters.shelf", PARTITIONS, 1).unwrap();
    let worker = world.worker().await;
    let stop = CancellationToken::new();
    let copying = tokio::spawn(keep_copying(Arc::clone(&worker.shared), stop.clone()));
    let odd = Header { key: "odd", value: Some([0_u8, 255].as_slice()) };
    world.write(2, "milk", b"junk", OwnedHeaders::new().insert(odd)).await;
    let copied = "SELECT count(*) FROM parked WHERE dead_lettered_at IS NOT NULL";
    world.until_number(copied, 1).await;

    let reader: BaseConsumer = world.kafka.reader("test").create().unwrap();
    let mut list = rdkafka::TopicPartitionList::new();
    let beginning = rdkafka::Offset::Beginning;
    list.add_partition_offset("stock.dead-letters.shelf", 2, beginning).unwrap();
    reader.assign(&list).unwrap();
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
    stop.cancel();
    copying.await.unwrap().unwrap();
    worker.stop().await;
}
