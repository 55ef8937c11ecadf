//! The thread that owns the consumer: it polls, decodes, and answers the group's rebalances. It
//! never waits for the database: what it has no room for stays where the client fetched it to.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::{Duration, Instant};

use chassis::health::Heartbeat;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::BorrowedMessage;
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{Message, TopicPartitionList};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::broker_watch::is_unreadable;
use crate::log::fetch_queues::FetchQueues;
use crate::log::fetching::Fetching;
use crate::log::group::{GroupContext, Rebalance};
use crate::log::lag_report::{LagReport, offset};
use crate::log::messages::Control;
use crate::log::standby::Standby;
use crate::log::starting::Starting;
use crate::partition::TopicPartition;
use crate::record::Record;
use crate::schemas::Schemas;
use crate::topic_names::TopicNames;

/// How long the thread rests where nothing is fetched, or there is no room for it; answers to the group wait no longer than this.
const REST: Duration = Duration::from_millis(20);
/// How long the group may wait for the batch under way when it takes partitions away.
pub(crate) const DRAIN: Duration = Duration::from_secs(10);

/// The poll thread's state.
pub(crate) struct Poller {
    pub consumer: Arc<BaseConsumer<GroupContext>>,
    pub names: TopicNames,
    pub schemas: Arc<Schemas>,
    pub control: mpsc::UnboundedSender<Control>,
    pub heartbeat: Heartbeat,
    pub stop: CancellationToken,
    pub queues: FetchQueues,
    pub fetching: Fetching,
    pub starting: Starting,
    pub lag: LagReport,
    pub standby: Standby,
}

impl Poller {
    /// Polls until stopped or until the client is beyond repair, then leaves the group.
    pub(crate) fn run(mut self) -> Result<(), KafkaError> {
        let ended = self.poll_until_stopped();
        self.consumer.context().close();
        while let Some(rebalance) = self.consumer.context().next_rebalance() {
            if let Err(error) = self.answer(&rebalance) {
                tracing::debug!(%error, "rebalance while closing");
            }
        }
        ended
    }

    /// What librdkafka waits for after every rebalance, and for ever when it closes.
    fn answer(&mut self, rebalance: &Rebalance) -> Result<(), KafkaError> {
        match rebalance {
            Rebalance::Assign(_) => self.consumer.incremental_assign(&TopicPartitionList::new()),
            Rebalance::Revoke(partitions) => self.unassign(&self.keys(partitions)),
        }
    }

    fn poll_until_stopped(&mut self) -> Result<(), KafkaError> {
        // A local handle, so that the borrowed message does not borrow `self`.
        let consumer = Arc::clone(&self.consumer);
        while !self.stop.is_cancelled() {
            self.heartbeat.beat();
            while let Some(event) = consumer.poll(Duration::ZERO) {
                match event {
                    Ok(message) => self.take_from_the_clients_queue(&message),
                    Err(error) => survive(&error)?,
                }
            }
            let came = self.take_fetched()?;
            self.stop_fetching()?;
            self.fetching.hand_over();
            while let Some(rebalance) = consumer.context().next_rebalance() {
                self.rebalance(&rebalance)?;
            }
            self.start_claimed()?;
            if self.lag.is_due() {
                self.report();
            }
            // Whoever makes room, or fetches something, unparks the thread.
            if !came || self.fetching.is_full() {
                thread::park_timeout(REST);
            }
        }
        Ok(())
    }

    /// Takes what was fetched, as long as there is room. Whether anything came.
    fn take_fetched(&mut self) -> Result<bool, KafkaError> {
        let (mut queues, mut ended) = (std::mem::take(&mut self.queues), Ok(()));
        let came = !self.fetching.is_full()
            && queues.poll(|key, message| {
                match message {
                    Ok(message) => self.take(key, &message),
                    Err(error) if is_unreadable(&error) => self.lag.cannot_read(),
                    Err(error) => ended = survive(&error),
                }
                match self.fetching.is_full() || ended.is_err() {
                    true => ControlFlow::Break(()),
                    false => ControlFlow::Continue(()),
                }
            });
        self.queues = queues;
        ended.map(|()| came)
    }

    /// None comes there, as partitions have queues of their own: one that does is not lost.
    fn take_from_the_clients_queue(&mut self, message: &BorrowedMessage<'_>) {
        if let Some(topic) = self.names.topic(message.topic()) {
            self.take(TopicPartition::new(topic, message.partition()), message);
        }
    }

    fn take(&mut self, key: TopicPartition, message: &BorrowedMessage<'_>) {
        let Some(epoch) = self.starting.epoch(key) else { return };
        let mut record = Record::fetched(message, key.topic, epoch);
        self.schemas.decode(&mut record);
        self.fetching.push(record);
    }

    fn rebalance(&mut self, rebalance: &Rebalance) -> Result<(), KafkaError> {
        match rebalance {
            Rebalance::Assign(partitions) => {
                let claims = self.starting.claim(self.keys(partitions));
                let _ = self.control.send(Control::Claim(claims));
            }
            Rebalance::Revoke(partitions) => self.release(self.keys(partitions)),
        }
        // The group must not wait for the database: partitions are added when they can start.
        self.answer(rebalance)
    }

    fn keys(&self, partitions: &[(String, i32)]) -> Vec<TopicPartition> {
        let key = |(name, partition): &(String, i32)| {
            Some(TopicPartition::new(self.names.topic(name)?, *partition))
        };
        partitions.iter().filter_map(key).collect()
    }

    /// Gives up, towards the client only, the partitions that the worker has stopped.
    fn stop_fetching(&mut self) -> Result<(), KafkaError> {
        let keys = self.starting.stopped();
        if keys.is_empty() {
            return Ok(());
        }
        self.fetching.drop_those_of(&keys);
        self.unassign(&keys)
    }

    /// Starts the claimed partitions at their positions.
    fn start_claimed(&mut self) -> Result<(), KafkaError> {
        let mut list = TopicPartitionList::new();
        for (key, start) in self.starting.started() {
            self.lag.started(key, start.next);
            let topic = self.names.name(key.topic);
            self.queues.open(&self.consumer, topic, key)?;
            list.add_partition_offset(topic, key.number(), offset(start.next))?;
        }
        if list.count() == 0 {
            return Ok(());
        }
        self.consumer.incremental_assign(&list)
    }

    /// Lets the worker finish its batch before the partitions go: drain first, fence second.
    fn release(&mut self, keys: Vec<TopicPartition>) {
        self.starting.release(&keys);
        self.lag.released(&keys);
        self.fetching.drop_those_of(&keys);
        let (done, wait) = sync_channel(1);
        if self.control.send(Control::Release(keys, done)).is_ok()
            && wait.recv_timeout(DRAIN).is_err()
        {
            tracing::warn!("what is under way did not end in time; the next owner fences it");
        }
    }

    /// Takes partitions out of the client's assignment, of these those that are in it.
    fn unassign(&mut self, keys: &[TopicPartition]) -> Result<(), KafkaError> {
        let mut list = TopicPartitionList::new();
        for key in self.starting.unassign(keys) {
            list.add_partition(self.names.name(key.topic), key.number());
            self.queues.close(key);
        }
        self.consumer.incremental_unassign(&list)
    }

    /// How far it is, for everybody who wants to know.
    fn report(&mut self) {
        let is_member = self.consumer.context().is_member();
        self.standby.note(self.starting.is_idle() && is_member, Instant::now());
        self.lag.commit(&self.consumer, &self.starting);
        let is_idle = !self.fetching.is_full() && self.fetching.is_handed_over();
        for control in self.lag.look(&self.consumer, &self.starting, is_idle) {
            let _ = self.control.send(control);
        }
    }
}

/// Errors that the client recovers from by itself are for the log; the others end the client. A
/// fatal one comes under the code of its cause.
fn survive(error: &KafkaError) -> Result<(), KafkaError> {
    let is_fatal = matches!(error, KafkaError::MessageConsumptionFatal(_));
    match error.rdkafka_error_code() {
        Some(RDKafkaErrorCode::Fatal | RDKafkaErrorCode::AutoOffsetReset) => Err(error.clone()),
        _ if is_fatal => Err(error.clone()),
        // Readiness says it, and the log when it begins and ends; these come many times a second.
        Some(RDKafkaErrorCode::AllBrokersDown | RDKafkaErrorCode::BrokerTransportFailure) => {
            tracing::debug!(%error, "poll");
            Ok(())
        }
        _ => {
            tracing::warn!(%error, "poll");
            Ok(())
        }
    }
}
