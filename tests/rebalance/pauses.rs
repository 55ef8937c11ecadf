//! How long records waited in a partition that did not move. Looks from outside: at the positions
//! in Postgres while it happens, and at the log when it is over.

use std::cell::Cell;
use std::collections::{HashMap, HashSet};
use std::time::Duration;

use harness::Deployment;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Headers;
use rdkafka::{Message, Offset, TopicPartitionList};

/// How often the positions are looked at: a pause is measured as precisely as this.
const EVERY: Duration = Duration::from_millis(20);

/// A position that was seen to move on from an offset, and when it had come there.
struct Move {
    place: (i32, i64),
    came: Duration,
    left: Duration,
}

#[derive(Default)]
pub(crate) struct Moves {
    moves: Vec<Move>,
    /// Where each partition is, and since when.
    now: HashMap<i32, (i64, Duration)>,
}

impl Moves {
    /// Looks until it is done.
    pub(crate) async fn watch(&mut self, deployment: &Deployment, done: &Cell<bool>) {
        let positions =
            "SELECT partition, next_offset FROM inventory.positions WHERE topic LIKE '%orders'";
        while !done.get() {
            let positions: Vec<(i32, i64)> =
                sqlx::query_as(positions).fetch_all(&deployment.pool).await.unwrap();
            let at = since_epoch(chassis::clock::now().timestamp_millis());
            for (partition, next) in positions {
                self.see(partition, next, at);
            }
            tokio::time::sleep(EVERY).await;
        }
    }

    fn see(&mut self, partition: i32, next: i64, at: Duration) {
        let (before, came) = *self.now.entry(partition).or_insert((next, at));
        if next != before {
            self.moves.push(Move { place: (partition, before), came, left: at });
            self.now.insert(partition, (next, at));
        }
    }

    /// The longest that a partition stood still while there was a record for it.
    pub(crate) fn longest_pause(&self, log: &Log) -> Duration {
        let pause = |moved: &Move| {
            let waits_since = log.written.get(&moved.place).copied().unwrap_or(moved.left);
            moved.left.saturating_sub(waits_since.max(moved.came))
        };
        self.moves.iter().map(pause).max().unwrap_or_default()
    }
}

/// The topic of the orders, whole.
pub(crate) struct Log {
    written: HashMap<(i32, i64), Duration>,
    /// Events that are in it more than once.
    pub(crate) repeated: usize,
}

impl Log {
    pub(crate) fn read(deployment: &Deployment) -> Self {
        let topic = deployment.topic("orders");
        let consumer: BaseConsumer = deployment.kafka().create().unwrap();
        let (ends, mut list) = (deployment.ends(&topic), TopicPartitionList::new());
        for partition in ends.keys() {
            list.add_partition_offset(&topic, *partition, Offset::Beginning).unwrap();
        }
        consumer.assign(&list).unwrap();
        let (mut written, mut ids, mut repeated) = (HashMap::new(), HashSet::new(), 0);
        while (written.len() as i64) < ends.values().sum() {
            let Some(message) = consumer.poll(EVERY) else { continue };
            let message = message.unwrap();
            let at = message.timestamp().to_millis().unwrap();
            written.insert((message.partition(), message.offset()), since_epoch(at));
            let headers = message.headers().unwrap();
            let id = headers.iter().find(|header| header.key == "ce_id").unwrap();
            repeated += usize::from(!ids.insert(id.value.unwrap().to_vec()));
        }
        Self { written, repeated }
    }
}

fn since_epoch(millis: i64) -> Duration {
    Duration::from_millis(millis.try_into().unwrap())
}
