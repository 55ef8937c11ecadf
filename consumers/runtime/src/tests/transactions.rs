//! What a transactional producer leaves in the log moves positions, and holds up nothing for ever.

use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use waiting::WITHIN;

use super::world::World;
use crate::testing::shelf::value;

impl World {
    fn transactional(&self) -> BaseProducer {
        let mut config = self.kafka.producer("test", Some(WITHIN));
        config.set("transactional.id", self.kafka.prefixed("transactions"));
        let producer: BaseProducer = config.create().unwrap();
        producer.init_transactions(WITHIN).unwrap();
        producer
    }

    fn send(&self, producer: &BaseProducer, partition: i32, numbers: std::ops::Range<i64>) {
        let topic = self.kafka.prefixed("stock");
        for number in numbers {
            let value = value(number, "milk", 1);
            let record = BaseRecord::to(&topic).partition(partition).key("milk").payload(&value);
            producer.send(record).map_err(|(error, _)| error).unwrap();
        }
        producer.flush(WITHIN).unwrap();
    }
}

const NEXT_OF_0: &str = "SELECT coalesce(max(next_offset), 0) FROM positions WHERE partition = 0";
const NEXT_OF_1: &str = "SELECT coalesce(max(next_offset), 0) FROM positions WHERE partition = 1";
const NEXT_OF_2: &str = "SELECT coalesce(max(next_offset), 0) FROM positions WHERE partition = 2";
const DELTAS: &str = "SELECT count(*) FROM deltas";

#[sqlx::test(migrations = false)]
async fn markers_and_aborted_records_are_passed_and_an_open_transaction_is_not(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let world = World::on_brokers(pool, options).await;
    let producer = world.transactional();
    // Partition 0 ends with a marker, and partition 1 with an aborted transaction.
    world.receive(0, 1, "milk").await;
    producer.begin_transaction().unwrap();
    world.send(&producer, 0, 2..3);
    producer.commit_transaction(WITHIN).unwrap();
    producer.begin_transaction().unwrap();
    world.send(&producer, 1, 100..1100);
    producer.abort_transaction(WITHIN).unwrap();
    // In partition 2 a transaction is open, and a record stands behind it.
    producer.begin_transaction().unwrap();
    world.send(&producer, 2, 3..4);
    world.receive(2, 4, "milk").await;

    let worker = world.worker().await;
    world.until_number(NEXT_OF_0, 3).await;
    world.until_number(NEXT_OF_1, 1001).await;
    assert_eq!((world.number(NEXT_OF_2).await, world.number(DELTAS).await), (0, 2));
    // What comes behind a hole is applied as ever.
    world.receive(1, 5, "milk").await;
    producer.commit_transaction(WITHIN).unwrap();
    world.until_number(NEXT_OF_2, 3).await;
    world.until_number(NEXT_OF_1, 1002).await;
    world.until_number(DELTAS, 5).await;
    worker.stop().await;
    world.end().await;
}
