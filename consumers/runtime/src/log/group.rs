//! What librdkafka calls back: rebalances, statistics, errors. Acts on none of it: the poll thread
//! and the health of the process do.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::types::{RDKafkaErrorCode, RDKafkaRespErr};
use rdkafka::{ClientContext, TopicPartitionList};

use crate::broker_watch::BrokerWatch;
use crate::log::statistics::Statistics;
use crate::log::unreadable::Fetched;
use crate::partition::Offset;

/// Partitions that the group gave or took away.
#[derive(Debug)]
pub(crate) enum Rebalance {
    Assign(Vec<(String, i32)>),
    Revoke(Vec<(String, i32)>),
}

pub(crate) type Ends = BTreeMap<(String, i32), (Offset, Fetched)>;

/// What the consumer of one worker leaves for its poll thread.
pub(crate) struct GroupContext {
    brokers: BrokerWatch,
    rebalances: Mutex<VecDeque<Rebalance>>,
    /// By topic and partition, as of the last statistics: where the log ends, and how far it is
    /// fetched.
    ends: Mutex<Ends>,
    closing: AtomicBool,
    is_member: AtomicBool,
}

impl GroupContext {
    pub(crate) fn new(brokers: BrokerWatch) -> Self {
        Self {
            brokers,
            rebalances: Mutex::default(),
            ends: Mutex::default(),
            closing: AtomicBool::new(false),
            is_member: AtomicBool::new(false),
        }
    }

    pub(crate) fn next_rebalance(&self) -> Option<Rebalance> {
        lock(&self.rebalances).pop_front()
    }

    pub(crate) fn take_ends(&self) -> Ends {
        std::mem::take(&mut *lock(&self.ends))
    }

    /// Whether the group has told this member what is its, as of the last statistics.
    pub(crate) fn is_member(&self) -> bool {
        self.is_member.load(Ordering::Acquire)
    }

    /// From now on nobody reads the rebalances: they are answered at once.
    pub(crate) fn close(&self) {
        self.closing.store(true, Ordering::Release);
    }
}

/// How long a member takes to leave at most: then its session has to end by itself.
const LEAVE: Duration = Duration::from_secs(2);
/// After the partitions are given up, the client has to see that and to tell the coordinator.
const FAREWELL: Duration = Duration::from_millis(100);

/// Gives the partitions to the other members now. A client with an instance's name that is only
/// closed keeps them until its session ends, in case it comes back.
pub(crate) fn leave(consumer: &BaseConsumer<GroupContext>) {
    consumer.unsubscribe();
    let began = Instant::now();
    let holds = || consumer.assignment().is_ok_and(|list| list.count() > 0);
    while holds() && began.elapsed() < LEAVE {
        consumer.poll(Duration::from_millis(10));
    }
    let given_up = Instant::now();
    while given_up.elapsed() < FAREWELL {
        consumer.poll(Duration::from_millis(10));
    }
}

/// Whether another client joined the group under this one's name.
pub(crate) fn is_displaced(consumer: &BaseConsumer<GroupContext>) -> bool {
    let fatal = consumer.client().fatal_error();
    fatal.is_some_and(|(code, _)| code == RDKafkaErrorCode::FencedInstanceId)
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl ClientContext for GroupContext {
    fn stats_raw(&self, statistics: &[u8]) {
        self.brokers.stats_raw(statistics);
        let statistics = Statistics::of(statistics);
        self.is_member.store(statistics.is_member(), Ordering::Release);
        let mut ends = lock(&self.ends);
        for (topic, number, partition) in statistics.partitions() {
            let fetched = Fetched {
                next: Offset(partition.next_offset),
                readable_end: Offset(partition.ls_offset),
                queued: partition.fetchq_cnt,
            };
            ends.insert((topic.to_owned(), number), (Offset(partition.hi_offset), fetched));
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.brokers.error(error, reason);
    }
}

impl ConsumerContext for GroupContext {
    /// Only notes what happened: the poll thread answers with `incremental_assign` once it knows
    /// the positions, and with `incremental_unassign` once the batch under way has ended.
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Self>,
        event: RDKafkaRespErr,
        partitions: &mut TopicPartitionList,
    ) {
        let listed = partitions.elements();
        let listed = listed.iter().map(|e| (e.topic().to_owned(), e.partition())).collect();
        let assign = event == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
        if !self.closing.load(Ordering::Acquire) {
            let rebalance = if assign { Rebalance::Assign } else { Rebalance::Revoke };
            lock(&self.rebalances).push_back(rebalance(listed));
            return;
        }
        // Of what the group takes away, the client knows only the partitions that were started.
        let answered = match assign {
            true => consumer.incremental_assign(&TopicPartitionList::new()),
            false => consumer.assignment().and_then(|held| consumer.incremental_unassign(&held)),
        };
        if let Err(error) = answered {
            tracing::warn!(%error, "rebalance while closing");
        }
    }
}
