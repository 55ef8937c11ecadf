//! The thread that owns the consumer: it polls, decodes, and answers the group's rebalances. It
//! never waits for the database: what it has no room for stays where the client fetched it to.

use std::collections::{HashMap, HashSet, VecDeque};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread;
use std::time::{Duration, Instant};

use chassis::health::Heartbeat;
use events_schema::wire::Decoder;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::BorrowedMessage;
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{Message, Offset, TopicPartitionList};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::log::fetch_queues::FetchQueues;
use crate::log::group::{GroupContext, Rebalance, is_unreadable};
use crate::log::hole::Suspects;
use crate::log::standby::Standby;
use crate::log::unreadable::{Fetched, Unreadable};
use crate::metrics::Metrics;
use crate::ownership::claim::{Claim, Start};
use crate::ownership::owned_partitions::TopicPartition;
use crate::record::{EventTypes, HeldBytes, Record};
use crate::topic_names::TopicNames;
use crate::worker::stopping::Reclaim;

/// How long the thread rests where nothing is fetched; answers to the group wait no longer than this.
const REST: Duration = Duration::from_millis(20);
/// While records wait for the worker: it must not be kept waiting for them.
const REST_BUSY: Duration = Duration::from_millis(1);
/// Bytes of records that a worker holds at most, give or take a record: where there are more,
/// nothing is taken until some are applied.
const HELD_BYTES_MAX: usize = 16 * 1024 * 1024;
/// How long the group may wait for the batch under way when it takes partitions away.
pub(crate) const DRAIN: Duration = Duration::from_secs(10);
/// How often positions are told to Kafka, for the tools that show lag.
const REPORT: Duration = Duration::from_secs(1);

/// What the poll thread asks of the worker.
pub(crate) enum Control {
    /// Take the positions of these partitions and say where each starts.
    Claim(Vec<Claim>),
    /// Finish the batch under way, forget these partitions, then say so.
    Release(Vec<TopicPartition>, std::sync::mpsc::SyncSender<()>),
    /// Look whether the log holds no record from here on, though it goes on.
    Hole(TopicPartition, i64),
    /// Stop these partitions: what comes next of them cannot be read.
    Unreadable(Vec<TopicPartition>),
}

/// What the worker leaves for the poll thread: how far the partitions are.
pub(crate) type Progress = Arc<Mutex<HashMap<TopicPartition, i64>>>;

/// The poll thread's state.
pub(crate) struct Poller {
    pub consumer: Arc<BaseConsumer<GroupContext>>,
    pub names: TopicNames,
    pub decoder: Arc<RwLock<Decoder>>,
    pub event_types: EventTypes,
    pub records: mpsc::Sender<Record>,
    pub control: mpsc::UnboundedSender<Control>,
    pub progress: Progress,
    pub heartbeat: Heartbeat,
    pub stop: CancellationToken,
    /// Epochs of the partitions that deliver.
    pub epochs: HashMap<TopicPartition, i64>,
    /// Records that the worker had no room for yet.
    pub overflow: VecDeque<Record>,
    /// So many of them, and nothing more is taken.
    pub overflow_max: usize,
    /// Bytes of all records that are not applied yet, here and at the worker.
    pub held_bytes: Arc<AtomicUsize>,
    pub fetched: FetchQueues,
    /// Partitions of ours whose start is not known yet.
    pub claims: HashMap<TopicPartition, oneshot::Receiver<Start>>,
    /// Partitions that the worker has stopped for a while.
    pub reclaims: mpsc::UnboundedReceiver<Reclaim>,
    /// Partitions that the client was told to fetch.
    pub assigned: HashSet<TopicPartition>,
    /// How far the partitions are, as last heard.
    pub applied: HashMap<TopicPartition, i64>,
    pub metrics: Arc<Metrics>,
    pub standby: Standby,
    pub unreadable: Unreadable,
    pub holes: Suspects,
    pub reported_at: Instant,
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
            self.hand_over();
            while let Some(rebalance) = consumer.context().next_rebalance() {
                self.rebalance(&rebalance)?;
            }
            self.start_claimed()?;
            self.report_lag();
            match (self.overflow.is_empty(), came) {
                (true, true) => {}
                (true, false) => thread::park_timeout(REST),
                (false, _) => thread::park_timeout(REST_BUSY),
            }
        }
        Ok(())
    }

    /// Takes what was fetched, as long as there is room. Whether anything came.
    fn take_fetched(&mut self) -> Result<bool, KafkaError> {
        let (mut fetched, mut ended) = (std::mem::take(&mut self.fetched), Ok(()));
        let came = !self.is_full()
            && fetched.poll(|key, message| {
                match message {
                    Ok(message) => self.take(key, &message),
                    Err(error) if is_unreadable(&error) => {
                        self.unreadable.complain(Instant::now());
                    }
                    Err(error) => ended = survive(&error),
                }
                match self.is_full() || ended.is_err() {
                    true => ControlFlow::Break(()),
                    false => ControlFlow::Continue(()),
                }
            });
        self.fetched = fetched;
        ended.map(|()| came)
    }

    /// None comes there, as partitions have queues of their own: one that does is not lost.
    fn take_from_the_clients_queue(&mut self, message: &BorrowedMessage<'_>) {
        if let Some(topic) = self.names.topic(message.topic()) {
            self.take((topic, message.partition()), message);
        }
    }

    fn is_full(&self) -> bool {
        self.overflow.len() >= self.overflow_max
            || self.held_bytes.load(Ordering::Relaxed) > HELD_BYTES_MAX
    }

    fn take(&mut self, key: TopicPartition, message: &BorrowedMessage<'_>) {
        let Some(epoch) = self.epochs.get(&key) else { return };
        let decoder = self.decoder.read().unwrap_or_else(PoisonError::into_inner);
        let mut record = Record::read(message, key.0, *epoch, &decoder, self.event_types);
        drop(decoder);
        record.held_bytes = HeldBytes::new(record.raw.bytes(), &self.held_bytes);
        self.overflow.push_back(record);
    }

    /// Hands over what the worker has room for.
    fn hand_over(&mut self) {
        while let Some(record) = self.overflow.pop_front() {
            if let Err(error) = self.records.try_send(record) {
                self.overflow.push_front(error.into_inner());
                break;
            }
        }
    }

    fn rebalance(&mut self, rebalance: &Rebalance) -> Result<(), KafkaError> {
        match rebalance {
            Rebalance::Assign(partitions) => {
                let mut claims = Vec::with_capacity(partitions.len());
                for key in self.keys(partitions) {
                    let (answer, start) = oneshot::channel();
                    self.claims.insert(key, start);
                    claims.push(Claim { key, answer });
                }
                let _ = self.control.send(Control::Claim(claims));
            }
            Rebalance::Revoke(partitions) => self.release(self.keys(partitions)),
        }
        // The group must not wait for the database: partitions are added when they can start.
        self.answer(rebalance)
    }

    fn keys(&self, partitions: &[(String, i32)]) -> Vec<TopicPartition> {
        let key = |(name, partition): &(String, i32)| Some((self.names.topic(name)?, *partition));
        partitions.iter().filter_map(key).collect()
    }

    /// Gives up, towards the client only, the partitions that the worker has stopped. One that the
    /// group took away meanwhile is nobody's to start again.
    fn stop_fetching(&mut self) -> Result<(), KafkaError> {
        let mut keys = Vec::new();
        while let Ok((key, start)) = self.reclaims.try_recv() {
            if self.assigned.contains(&key) {
                self.epochs.remove(&key);
                self.claims.insert(key, start);
                keys.push(key);
            }
        }
        if keys.is_empty() {
            return Ok(());
        }
        self.overflow.retain(|record| !keys.contains(&record.source.topic_partition()));
        self.unassign(&keys)
    }

    /// Starts the claimed partitions at their positions.
    fn start_claimed(&mut self) -> Result<(), KafkaError> {
        let mut answered = Vec::new();
        for (key, claim) in &mut self.claims {
            if let Ok(start) = claim.try_recv() {
                answered.push((*key, start));
            }
        }
        let mut list = TopicPartitionList::new();
        for (key, (epoch, next)) in answered {
            self.claims.remove(&key);
            self.epochs.insert(key, epoch);
            self.applied.insert(key, next);
            self.assigned.insert(key);
            self.fetched.open(&self.consumer, self.names.name(key.0), key)?;
            list.add_partition_offset(self.names.name(key.0), key.1, Offset::Offset(next))?;
        }
        if list.count() == 0 {
            return Ok(());
        }
        self.consumer.incremental_assign(&list)
    }

    /// Lets the worker finish its batch before the partitions go: drain first, fence second.
    fn release(&mut self, keys: Vec<TopicPartition>) {
        for key in &keys {
            self.claims.remove(key);
            self.epochs.remove(key);
            self.applied.remove(key);
            self.metrics.lag(self.names.name(key.0), key.1, 0);
        }
        self.overflow.retain(|record| !keys.contains(&record.source.topic_partition()));
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
        for (topic, partition) in keys.iter().filter(|key| self.assigned.remove(key)) {
            list.add_partition(self.names.name(*topic), *partition);
            self.fetched.close((*topic, *partition));
        }
        self.consumer.incremental_unassign(&list)
    }

    /// Tells Kafka's tools, and our own metrics, how far the partitions are.
    fn report_lag(&mut self) {
        if self.reported_at.elapsed() < REPORT {
            return;
        }
        self.reported_at = Instant::now();
        let is_idle = self.claims.is_empty() && self.assigned.is_empty();
        let is_idle = is_idle && self.consumer.context().is_member();
        self.standby.note(is_idle, self.reported_at);
        let moved =
            std::mem::take(&mut *self.progress.lock().unwrap_or_else(PoisonError::into_inner));
        let mut list = TopicPartitionList::new();
        for (key, next) in moved.into_iter().filter(|(key, _)| self.epochs.contains_key(key)) {
            let _ = list.add_partition_offset(self.names.name(key.0), key.1, Offset::Offset(next));
            self.applied.insert(key, next);
        }
        if list.count() > 0 {
            // Only tools read it; the next one follows in a second.
            let _ = self.consumer.commit(&list, CommitMode::Async);
        }
        let (mut partitions, mut standing) = (Vec::new(), Vec::new());
        for ((topic, partition), (end, fetched)) in self.consumer.context().take_ends() {
            let Some(key) = self.names.topic(&topic).map(|topic| (topic, partition)) else {
                continue;
            };
            if let Some(next) = self.applied.get(&key) {
                // The end is as old as the last fetch; the position may be beyond it.
                self.metrics.lag(&topic, partition, end.saturating_sub(*next).max(0));
                standing.push((key, *next, fetched));
            }
            if self.assigned.contains(&key) {
                partitions.push((key, fetched));
            }
        }
        self.ask_for_holes(&standing);
        // While not all that was fetched is taken, standing still says nothing.
        if !self.is_full() && self.overflow.is_empty() && !partitions.is_empty() {
            let stuck = self.unreadable.stuck(self.reported_at, &partitions);
            if !stuck.is_empty() {
                let _ = self.control.send(Control::Unreadable(stuck));
            }
        }
    }
}

impl Poller {
    /// Where nothing comes any more, though the log goes on, the rest may be no record.
    fn ask_for_holes(&mut self, standing: &[(TopicPartition, i64, Fetched)]) {
        let is_busy = self.is_full() || !self.overflow.is_empty();
        for (key, from) in self.holes.of(standing).into_iter().filter(|_| !is_busy) {
            let _ = self.control.send(Control::Hole(key, from));
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
