//! The thread that owns the consumer: it polls, decodes, and answers the group's rebalances. It
//! never waits for the database: what it cannot hand over it keeps, and pauses.

use std::collections::{HashMap, VecDeque};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use chassis::health::Heartbeat;
use events_schema::wire::Decoder;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{Message, Offset, TopicPartitionList};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::claim::Claimed;
use crate::group::{GroupContext, Rebalance};
use crate::lanes::LaneKey;
use crate::metrics::Metrics;
use crate::record::{Record, Wanted};
use crate::topic_names::TopicNames;

/// How long a poll waits; answers to the group wait no longer than this.
const POLL: Duration = Duration::from_millis(20);
/// How long the group may wait for the batch under way when it takes partitions away.
const DRAIN: Duration = Duration::from_secs(10);
/// How often positions are told to Kafka, for the tools that show lag.
const TELL: Duration = Duration::from_secs(1);

/// What the poll thread asks of the worker.
pub(crate) enum Control {
    /// Take the positions of these partitions and say where to start.
    Claim(Vec<LaneKey>, oneshot::Sender<Vec<Claimed>>),
    /// Finish the batch under way, forget these partitions, then say so.
    Release(Vec<LaneKey>, std::sync::mpsc::SyncSender<()>),
}

/// What the worker leaves for the poll thread: how far the lanes are.
pub(crate) type Progress = Arc<Mutex<HashMap<LaneKey, i64>>>;

/// The poll thread's state.
pub(crate) struct Poller {
    pub consumer: Arc<BaseConsumer<GroupContext>>,
    pub names: TopicNames,
    pub decoder: Arc<RwLock<Decoder>>,
    pub wanted: Wanted,
    pub records: mpsc::Sender<Record>,
    pub control: mpsc::UnboundedSender<Control>,
    pub progress: Progress,
    pub heartbeat: Heartbeat,
    pub stop: CancellationToken,
    /// Epochs of the lanes that deliver.
    pub epochs: HashMap<LaneKey, i64>,
    /// Records that the worker had no room for yet.
    pub carry: VecDeque<Record>,
    /// Nothing is fetched until the worker has room again.
    pub is_paused: bool,
    pub claim: Option<(Vec<LaneKey>, oneshot::Receiver<Vec<Claimed>>)>,
    /// How far the lanes are, as last heard.
    pub applied: HashMap<LaneKey, i64>,
    pub metrics: Arc<Metrics>,
    pub told_at: Instant,
}

impl Poller {
    /// Polls until stopped or until the client is beyond repair, then leaves the group.
    pub(crate) fn run(mut self) -> Result<(), KafkaError> {
        let ended = self.poll_until_stopped();
        self.consumer.context().close();
        while self.consumer.context().next_rebalance().is_some() {}
        ended
    }

    fn poll_until_stopped(&mut self) -> Result<(), KafkaError> {
        // A local handle, so that the borrowed message does not borrow `self`.
        let consumer = Arc::clone(&self.consumer);
        while !self.stop.is_cancelled() {
            self.heartbeat.beat();
            match consumer.poll(POLL) {
                Some(Ok(message)) => self.take(&message),
                Some(Err(error)) => survive(&error)?,
                None => {}
            }
            self.hand_over();
            self.answer_claim()?;
            while let Some(rebalance) = consumer.context().next_rebalance() {
                self.rebalance(rebalance)?;
            }
            self.tell_lag_tools();
        }
        Ok(())
    }

    fn take(&mut self, message: &rdkafka::message::BorrowedMessage<'_>) {
        let Some(topic) = self.names.topic(message.topic()) else { return };
        let Some(epoch) = self.epochs.get(&(topic, message.partition())) else { return };
        let decoder = self.decoder.read().unwrap_or_else(PoisonError::into_inner);
        let record = Record::read(message, topic, *epoch, &decoder, self.wanted);
        drop(decoder);
        self.carry.push_back(record);
    }

    /// Hands over what the worker has room for. While something is left, nothing more is fetched.
    fn hand_over(&mut self) {
        while let Some(record) = self.carry.pop_front() {
            if let Err(error) = self.records.try_send(record) {
                self.carry.push_front(error.into_inner());
                break;
            }
        }
        let is_full = !self.carry.is_empty();
        if is_full != self.is_paused {
            self.pause(is_full);
        }
    }

    fn pause(&mut self, pause: bool) {
        self.is_paused = pause;
        let mut list = TopicPartitionList::new();
        for (topic, partition) in self.epochs.keys() {
            list.add_partition(self.names.name(*topic), *partition);
        }
        let done = match pause {
            true => self.consumer.pause(&list),
            false => self.consumer.resume(&list),
        };
        if let Err(error) = done {
            tracing::warn!(%error, pause, "could not pause or resume");
        }
    }

    fn rebalance(&mut self, rebalance: Rebalance) -> Result<(), KafkaError> {
        match rebalance {
            Rebalance::Assign(partitions) => {
                let keys = self.keys(&partitions);
                let (answer, claim) = oneshot::channel();
                let _ = self.control.send(Control::Claim(keys.clone(), answer));
                self.claim = Some((keys, claim));
                Ok(())
            }
            Rebalance::Revoke(partitions) => self.release(self.keys(&partitions)),
        }
    }

    fn keys(&self, partitions: &[(String, i32)]) -> Vec<LaneKey> {
        let key = |(name, partition): &(String, i32)| Some((self.names.topic(name)?, *partition));
        partitions.iter().filter_map(key).collect()
    }

    /// Starts the claimed partitions at their positions; those that stand still stay paused.
    fn answer_claim(&mut self) -> Result<(), KafkaError> {
        let Some((_, claim)) = &mut self.claim else { return Ok(()) };
        let claimed = match claim.try_recv() {
            Ok(claimed) => claimed,
            Err(oneshot::error::TryRecvError::Empty) => return Ok(()),
            Err(oneshot::error::TryRecvError::Closed) => Vec::new(),
        };
        self.claim = None;
        let (mut all, mut halted) = (TopicPartitionList::new(), TopicPartitionList::new());
        for Claimed { key, start } in claimed {
            let name = self.names.name(key.0);
            let offset = match start {
                Some((epoch, next)) => {
                    self.epochs.insert(key, epoch);
                    self.applied.insert(key, next);
                    Offset::Offset(next)
                }
                None => {
                    halted.add_partition(name, key.1);
                    Offset::End
                }
            };
            all.add_partition_offset(name, key.1, offset)?;
        }
        self.consumer.incremental_assign(&all)?;
        if halted.count() > 0 {
            self.consumer.pause(&halted)?;
        }
        if self.is_paused {
            self.pause(true);
        }
        Ok(())
    }

    /// Lets the worker finish its batch before the partitions go: drain first, fence second.
    fn release(&mut self, keys: Vec<LaneKey>) -> Result<(), KafkaError> {
        let mut list = TopicPartitionList::new();
        for key in &keys {
            self.epochs.remove(key);
            self.applied.remove(key);
            list.add_partition(self.names.name(key.0), key.1);
        }
        self.carry
            .retain(|record| !keys.contains(&(record.source.topic, record.source.partition.0)));
        if self.claim.take_if(|(claimed, _)| claimed.iter().any(|key| keys.contains(key))).is_some()
        {
            // Taken away before it was started: librdkafka wants both answers all the same.
            self.consumer.incremental_assign(&list)?;
        }
        let (done, wait) = sync_channel(1);
        if self.control.send(Control::Release(keys, done)).is_ok()
            && wait.recv_timeout(DRAIN).is_err()
        {
            tracing::warn!("the batch under way did not end in time; the next owner fences it");
        }
        self.consumer.incremental_unassign(&list)
    }

    /// Tells Kafka's tools, and our own metrics, how far the lanes are.
    fn tell_lag_tools(&mut self) {
        if self.told_at.elapsed() < TELL {
            return;
        }
        self.told_at = Instant::now();
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
        for ((topic, partition), end) in self.consumer.context().take_ends() {
            let key = self.names.topic(&topic).map(|topic| (topic, partition));
            if let Some(next) = key.and_then(|key| self.applied.get(&key)) {
                self.metrics.lag(&topic, partition, end.saturating_sub(*next));
            }
        }
    }
}

/// Errors that the client recovers from by itself are for the log; the others end the client.
fn survive(error: &KafkaError) -> Result<(), KafkaError> {
    match error.rdkafka_error_code() {
        Some(RDKafkaErrorCode::Fatal | RDKafkaErrorCode::AutoOffsetReset) => Err(error.clone()),
        _ => {
            tracing::warn!(%error, "poll");
            Ok(())
        }
    }
}
