//! What the client has fetched: a queue for each partition. A record stays in it until there is room
//! for it, so nothing that was fetched is thrown away, and what the group says, which comes in the
//! client's own queue, never waits behind records. Decodes nothing.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rdkafka::consumer::BaseConsumer;
use rdkafka::consumer::base_consumer::PartitionQueue;
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::message::BorrowedMessage;

use crate::log::group::GroupContext;
use crate::partition::TopicPartition;

/// Records of one partition, before the next has its turn.
const TURN: usize = 256;

#[derive(Default)]
pub(crate) struct FetchQueues {
    queues: Vec<(TopicPartition, PartitionQueue<GroupContext>)>,
    /// Who has the first turn, as more partitions may have records than there is room for.
    first: usize,
}

impl FetchQueues {
    /// To be called before the partition is assigned: librdkafka forwards what it fetches to the
    /// client's own queue, unless that was decided before (`RD_KAFKA_Q_F_FWD_APP` in its
    /// `rd_kafka_toppar_op_fetch_start`), and keeps to it as long as the client lives. The calling
    /// thread is unparked when something comes.
    ///
    /// # Errors
    /// When the client knows no such partition.
    pub(crate) fn open(
        &mut self,
        consumer: &Arc<BaseConsumer<GroupContext>>,
        topic: &str,
        key: TopicPartition,
    ) -> KafkaResult<()> {
        let mut queue = consumer.split_partition_queue(topic, key.number()).ok_or_else(|| {
            KafkaError::Subscription(format!("there is no queue of {topic} {}", key.number()))
        })?;
        let poller = thread::current();
        queue.set_nonempty_callback(move || poller.unpark());
        self.close(key);
        self.queues.push((key, queue));
        Ok(())
    }

    pub(crate) fn close(&mut self, key: TopicPartition) {
        self.queues.retain(|(held, _)| *held != key);
    }

    /// Takes what there is, a turn of each partition after the other, until nothing is left or
    /// `take` breaks off. Whether anything came.
    pub(crate) fn poll<'a>(
        &'a mut self,
        mut take: impl FnMut(TopicPartition, KafkaResult<BorrowedMessage<'a>>) -> ControlFlow<()>,
    ) -> bool {
        let count = self.queues.len();
        let first = self.first % count.max(1);
        self.first = first + 1;
        let (after, before) = self.queues.split_at(first);
        let mut came = false;
        for (key, queue) in before.iter().chain(after) {
            for _ in 0..TURN {
                let Some(message) = queue.poll(Duration::ZERO) else { break };
                came = true;
                if take(*key, message).is_break() {
                    return came;
                }
            }
        }
        came
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use chassis::health::Health;
    use events_schema::Topic;
    use kafka_client::{GroupProtocol, KafkaSettings};
    use rdkafka::consumer::Consumer;
    use rdkafka::mocking::MockCluster;
    use rdkafka::producer::{BaseProducer, BaseRecord, DefaultProducerContext, Producer};
    use rdkafka::{Message, Offset, TopicPartitionList};

    use super::*;
    use crate::broker_watch::BrokerWatch;

    const WITHIN: Duration = Duration::from_secs(30);
    /// Of each of two partitions.
    const RECORDS: i64 = 600;
    const KEYS: [TopicPartition; 2] =
        [TopicPartition::new(Topic::Stock, 0), TopicPartition::new(Topic::Stock, 1)];

    type Cluster = MockCluster<'static, DefaultProducerContext>;

    fn fill(kafka: &KafkaSettings) {
        let producer: BaseProducer = kafka.producer("test", Some(WITHIN)).create().unwrap();
        for key in KEYS {
            for _ in 0..RECORDS {
                let record =
                    BaseRecord::<(), _>::to("stock").partition(key.number()).payload("milk");
                producer.send(record).unwrap();
            }
        }
        producer.flush(WITHIN).unwrap();
    }

    fn consumer(kafka: &KafkaSettings) -> Arc<BaseConsumer<GroupContext>> {
        let mut config = kafka.group_member("test", GroupProtocol::Classic, None);
        config.set("statistics.interval.ms", "50");
        let watch = BrokerWatch { kafka: Health::default().dependency("kafka") };
        Arc::new(config.create_with_context(GroupContext::new(watch)).unwrap())
    }

    /// A client that fetches two full partitions.
    fn assigned() -> (Cluster, Arc<BaseConsumer<GroupContext>>, FetchQueues) {
        let cluster = MockCluster::new(1).unwrap();
        cluster.create_topic("stock", 2, 1).unwrap();
        let kafka = KafkaSettings::at(cluster.bootstrap_servers(), "");
        fill(&kafka);
        let (consumer, mut queues) = (consumer(&kafka), FetchQueues::default());
        let mut list = TopicPartitionList::new();
        for key in KEYS {
            queues.open(&consumer, "stock", key).unwrap();
            list.add_partition_offset("stock", key.number(), Offset::Beginning).unwrap();
        }
        consumer.assign(&list).unwrap();
        (cluster, consumer, queues)
    }

    /// Takes `count` records; the offsets, by partition.
    fn take(
        consumer: &BaseConsumer<GroupContext>,
        queues: &mut FetchQueues,
        count: usize,
    ) -> [Vec<i64>; 2] {
        let (mut taken, mut offsets, began) = (0, [vec![], vec![]], Instant::now());
        while taken < count {
            assert!(began.elapsed() < WITHIN, "{taken} of {count} came");
            assert!(!matches!(consumer.poll(Duration::ZERO), Some(Ok(_))), "not in this queue");
            queues.poll(|key, message| {
                let Ok(message) = message else { return ControlFlow::Continue(()) };
                offsets[key.number() as usize].push(message.offset());
                taken += 1;
                if taken < count { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            });
        }
        offsets
    }

    /// The client says that it holds the rest.
    fn until_fetched(consumer: &BaseConsumer<GroupContext>, taken: i64) {
        let began = Instant::now();
        let mut queued = 0;
        while queued < 2 * RECORDS - taken {
            assert!(began.elapsed() < WITHIN, "{queued} are fetched");
            assert!(!matches!(consumer.poll(Duration::from_millis(20)), Some(Ok(_))));
            let ends = consumer.context().take_ends();
            queued = ends.values().map(|(_, fetched)| fetched.queued).sum::<i64>().max(queued);
        }
    }

    #[test]
    fn fetched_records_wait_for_room_and_are_not_fetched_again() {
        let (cluster, consumer, mut queues) = assigned();
        let first = take(&consumer, &mut queues, 10);
        until_fetched(&consumer, 10);
        // Nothing can be fetched any more.
        cluster.broker_down(1).unwrap();
        let rest = take(&consumer, &mut queues, 2 * RECORDS as usize - 10);
        for (first, rest) in first.into_iter().zip(rest) {
            let offsets: Vec<i64> = first.into_iter().chain(rest).collect();
            assert_eq!(offsets, Vec::from_iter(0..RECORDS), "each once, in order");
        }
    }

    #[test]
    fn a_partition_with_many_records_does_not_keep_the_others_waiting() {
        let (_cluster, consumer, mut queues) = assigned();
        until_fetched(&consumer, 0);
        let offsets = take(&consumer, &mut queues, 2 * TURN);
        assert_eq!([offsets[0].len(), offsets[1].len()], [TURN, TURN]);
    }
}
