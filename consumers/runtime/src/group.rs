//! What librdkafka calls back: rebalances, statistics, errors. Acts on none of it: the poll thread
//! and the health of the process do.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use chassis::health::Dependency;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::statistics::Statistics;
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{ClientContext, TopicPartitionList};

/// Partitions that the group gave or took away.
#[derive(Debug)]
pub(crate) enum Rebalance {
    Assign(Vec<(String, i32)>),
    Revoke(Vec<(String, i32)>),
}

/// Tells the process's health whether any broker is connected.
#[derive(Clone)]
pub(crate) struct BrokerWatch {
    pub kafka: Dependency,
}

impl BrokerWatch {
    fn watch(&self, statistics: &Statistics) {
        if statistics.brokers.values().any(|broker| broker.state == "UP") {
            self.kafka.up();
        }
    }
}

impl ClientContext for BrokerWatch {
    fn stats(&self, statistics: Statistics) {
        self.watch(&statistics);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        if error.rdkafka_error_code() == Some(rdkafka::types::RDKafkaErrorCode::AllBrokersDown) {
            self.kafka.down("no broker is connected");
        } else {
            tracing::warn!(%error, reason, "kafka client");
        }
    }
}

/// What the consumer of one worker leaves for its poll thread.
pub(crate) struct GroupContext {
    brokers: BrokerWatch,
    rebalances: Mutex<VecDeque<Rebalance>>,
    /// End offsets by topic and partition, as of the last statistics.
    ends: Mutex<BTreeMap<(String, i32), i64>>,
    closing: AtomicBool,
}

impl GroupContext {
    pub(crate) fn new(brokers: BrokerWatch) -> Self {
        Self {
            brokers,
            rebalances: Mutex::default(),
            ends: Mutex::default(),
            closing: AtomicBool::new(false),
        }
    }

    pub(crate) fn next_rebalance(&self) -> Option<Rebalance> {
        lock(&self.rebalances).pop_front()
    }

    pub(crate) fn take_ends(&self) -> BTreeMap<(String, i32), i64> {
        std::mem::take(&mut *lock(&self.ends))
    }

    /// From now on nobody reads the rebalances: they are answered at once.
    pub(crate) fn close(&self) {
        self.closing.store(true, Ordering::Release);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl ClientContext for GroupContext {
    fn stats(&self, statistics: Statistics) {
        self.brokers.watch(&statistics);
        let mut ends = lock(&self.ends);
        for topic in statistics.topics.into_values() {
            for (partition, state) in topic.partitions {
                if partition >= 0 && state.hi_offset >= 0 {
                    ends.insert((topic.topic.clone(), partition), state.hi_offset);
                }
            }
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
        let answered = match assign {
            true => consumer.incremental_assign(partitions),
            false => consumer.incremental_unassign(partitions),
        };
        if let Err(error) = answered {
            tracing::debug!(%error, "rebalance while closing");
            let _ = consumer.unassign();
        }
    }
}
