//! How long records waited in a partition that did not move. Looks from outside: at the log, as
//! any consumer does, and at the positions in Postgres.

use std::cell::Cell;
use std::collections::{BTreeMap, HashSet, VecDeque};
use std::time::{Duration, Instant};

use harness::Deployment;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Headers;
use rdkafka::{Message, Offset, TopicPartitionList};

/// How often the positions are looked at: a pause is measured as precisely as this.
const EVERY: Duration = Duration::from_millis(20);

pub(crate) struct Pauses {
    log: BaseConsumer,
    lanes: BTreeMap<i32, Lane>,
}

struct Lane {
    next: i64,
    moved_at: Instant,
    /// Records that are not applied, and since when they are there.
    waiting: VecDeque<(i64, Instant)>,
    longest: Duration,
}

impl Pauses {
    /// From where the topic of the orders ends now.
    pub(crate) fn of(deployment: &Deployment) -> Self {
        let topic = deployment.topic("orders");
        let log: BaseConsumer = deployment.kafka().create().unwrap();
        let mut list = TopicPartitionList::new();
        let mut lanes = BTreeMap::new();
        for (partition, end) in deployment.ends(&topic) {
            list.add_partition_offset(&topic, partition, Offset::Offset(end)).unwrap();
            let (moved_at, waiting) = (Instant::now(), VecDeque::new());
            lanes.insert(partition, Lane { next: end, moved_at, waiting, longest: Duration::ZERO });
        }
        log.assign(&list).unwrap();
        Self { log, lanes }
    }

    /// Until it is done.
    pub(crate) async fn watch(&mut self, deployment: &Deployment, done: &Cell<bool>) {
        let positions =
            "SELECT partition, next_offset FROM inventory.positions WHERE topic LIKE '%orders'";
        while !done.get() {
            self.read_log();
            let positions: Vec<(i32, i64)> =
                sqlx::query_as(positions).fetch_all(&deployment.pool).await.unwrap();
            let now = Instant::now();
            for (partition, next) in positions {
                self.lanes.get_mut(&partition).unwrap().see(next, now);
            }
            tokio::time::sleep(EVERY).await;
        }
    }

    fn read_log(&mut self) {
        while let Some(message) = self.log.poll(Duration::ZERO) {
            let message = message.unwrap();
            let lane = self.lanes.get_mut(&message.partition()).unwrap();
            lane.waiting.push_back((message.offset(), Instant::now()));
        }
    }

    pub(crate) fn longest(&self) -> Duration {
        self.lanes.values().map(|lane| lane.longest).max().unwrap_or_default()
    }

    /// How many events are in the log more than once.
    pub(crate) fn repeated(&self, deployment: &Deployment) -> usize {
        let ends = deployment.ends(&deployment.topic("orders"));
        let mut list = TopicPartitionList::new();
        for partition in ends.keys() {
            let topic = deployment.topic("orders");
            list.add_partition_offset(&topic, *partition, Offset::Beginning).unwrap();
        }
        self.log.assign(&list).unwrap();
        let (mut ids, mut left, mut repeated) = (HashSet::new(), ends.values().sum::<i64>(), 0);
        while left > 0 {
            let Some(message) = self.log.poll(EVERY) else { continue };
            let message = message.unwrap();
            let headers = message.headers().unwrap();
            let id = headers.iter().find(|header| header.key == "ce_id").unwrap();
            repeated += usize::from(!ids.insert(id.value.unwrap().to_vec()));
            left -= 1;
        }
        repeated
    }
}

impl Lane {
    fn see(&mut self, next: i64, now: Instant) {
        if next != self.next {
            (self.next, self.moved_at) = (next, now);
        }
        while self.waiting.front().is_some_and(|(offset, _)| *offset < next) {
            self.waiting.pop_front();
        }
        if let Some((_, since)) = self.waiting.front() {
            self.longest = self.longest.max(now - self.moved_at.max(*since));
        }
    }
}
