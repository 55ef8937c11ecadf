//! What becomes of the partitions that the group gave a worker: they wait for their positions, are
//! owned, or stand still for a while. Pure: it is told what happened, and says what is to be done.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use events_schema::Topic;
use kafka_client::PositionMisfit;
use tokio::sync::oneshot;
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::ownership::claim::{Check, Claim, Reclaim, TopicIds};
use crate::ownership::owned_partitions::{OwnedPartitions, PositionMove};
use crate::ownership::positions::TakenPosition;
use crate::ownership::stop::Stop;
use crate::partition::{Epoch, Offset, Source, Start, TopicPartition};
use crate::topic_names::TopicNames;

/// What is to be done, in this order.
#[derive(Debug)]
pub(crate) enum Effect {
    /// A partition is owned from now on: say where it starts.
    Start(TakenPosition, oneshot::Sender<Start>),
    /// Nothing more of it is to be fetched, until its start is known again.
    Pause(Reclaim),
    /// It stands still, for this reason.
    Stopped(TopicPartition, Stop),
    /// It stands still no longer.
    Resumed(TopicPartition),
    /// Other partitions are held than before.
    Changed,
}

/// The partitions of one worker.
#[derive(Debug)]
pub(crate) struct Assignments {
    owned: OwnedPartitions,
    /// Nothing is known of their positions yet.
    waiting: Vec<Claim>,
    taking: Vec<Taking>,
    stopped: Vec<StoppedClaim>,
    /// Where partitions stopped at work: they are called so until they move on from there, however
    /// often they are tried again.
    stopped_at: BTreeMap<TopicPartition, Offset>,
    /// The topics' ids as the positions have them.
    topic_ids: HashMap<Topic, String>,
    /// How long until a tripped partition is tried again.
    probe: Duration,
}

/// Positions that are being taken.
#[derive(Debug)]
struct Taking {
    keys: Vec<TopicPartition>,
    ended: CancellationToken,
}

/// A partition that stands still, and when it is to be claimed again.
#[derive(Debug)]
struct StoppedClaim {
    claim: Claim,
    retry_at: Instant,
}

impl Assignments {
    pub(crate) fn new(probe: Duration) -> Self {
        Self {
            owned: OwnedPartitions::default(),
            waiting: vec![],
            taking: vec![],
            stopped: vec![],
            stopped_at: BTreeMap::new(),
            topic_ids: HashMap::new(),
            probe,
        }
    }

    pub(crate) fn owned(&self) -> &OwnedPartitions {
        &self.owned
    }

    /// Whether a record belongs to a partition as it is owned now and was not applied before.
    pub(crate) fn admits(&self, source: Source, epoch: Epoch) -> bool {
        self.owned.admits(source, epoch)
    }

    /// What the outbox holds for a stopped partition is still this process's to publish.
    pub(crate) fn held(&self) -> Vec<TopicPartition> {
        let stopped = self.stopped.iter().map(|stopped| stopped.claim.key);
        self.owned.keys().chain(stopped).collect()
    }

    pub(crate) fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// The group gave partitions, or their positions could not be taken yet.
    pub(crate) fn claimed(&mut self, claims: Vec<Claim>) {
        self.waiting.extend(claims);
    }

    /// Their positions are being taken from now on, until the guard is dropped.
    pub(crate) fn take(&mut self) -> Option<(Vec<Claim>, DropGuard)> {
        // Another worker's by now: to take its position would fence that one.
        self.waiting.retain(|claim| !claim.answer.is_closed());
        self.taking.retain(|taking| !taking.ended.is_cancelled());
        let claims = std::mem::take(&mut self.waiting);
        if claims.is_empty() {
            return None;
        }
        let keys = claims.iter().map(|claim| claim.key).collect();
        let ended = CancellationToken::new();
        self.taking.push(Taking { keys, ended: ended.clone() });
        Some((claims, ended.drop_guard()))
    }

    /// Until none of these positions is being taken: to take one after its next owner did would fence
    /// that one.
    pub(crate) fn not_taking(&self, keys: &[TopicPartition]) -> impl Future<Output = ()> + use<> {
        let of_these = |taking: &&Taking| taking.keys.iter().any(|key| keys.contains(key));
        let taking = self.taking.iter().filter(of_these);
        let all: Vec<_> = taking.map(|taking| taking.ended.clone()).collect();
        async move {
            for ended in all {
                ended.cancelled().await;
            }
        }
    }

    /// The projection has not begun, and an operator has to say where.
    pub(crate) fn unstarted(&mut self, claims: Vec<Claim>, now: Instant) -> Vec<Effect> {
        let stopped = |claim| self.stop_claim(claim, Stop::Unstarted, now);
        let mut effects: Vec<Effect> = claims.into_iter().map(stopped).collect();
        effects.push(Effect::Changed);
        effects
    }

    /// A position was taken and compared with its log. Nothing where it was taken away meanwhile.
    pub(crate) fn compared(
        &mut self,
        check: Check,
        misfit: Option<PositionMisfit>,
        now: Instant,
    ) -> Vec<Effect> {
        let Check { claim, taken, .. } = check;
        if claim.answer.is_closed() {
            return vec![];
        }
        if let Some(misfit) = misfit {
            return vec![self.stop_claim(claim, Stop::Misfit(misfit), now), Effect::Changed];
        }
        let (key, start) = (taken.key, taken.start);
        self.owned.take(key, start);
        self.topic_ids.insert(key.topic, taken.topic_id.clone());
        let mut effects = vec![Effect::Changed];
        if self.stopped_at.get(&key) != Some(&start.next) {
            self.stopped_at.remove(&key);
            effects.push(Effect::Resumed(key));
        }
        effects.push(Effect::Start(taken, claim.answer));
        effects
    }

    /// Partitions stop at work, those of them that are owned. What was fetched of them is dropped, and
    /// fetched again then.
    pub(crate) fn stop(&mut self, stops: Vec<(TopicPartition, Stop)>, now: Instant) -> Vec<Effect> {
        let mut effects = Vec::new();
        for (key, stop) in stops {
            let Some(start) = self.owned.get(key) else { continue };
            self.stopped_at.insert(key, start.next);
            self.owned.give_up(key);
            let (answer, start) = oneshot::channel();
            effects.push(Effect::Pause(Reclaim { key, start }));
            effects.push(self.stop_claim(Claim { key, answer }, stop, now));
        }
        effects.push(Effect::Changed);
        effects
    }

    /// The claim stays open until it can be answered.
    fn stop_claim(&mut self, claim: Claim, stop: Stop, now: Instant) -> Effect {
        let (key, retry_at) = (claim.key, now + stop.pause(self.probe));
        self.stopped.push(StoppedClaim { claim, retry_at });
        Effect::Stopped(key, stop)
    }

    /// The positions of owned partitions have moved.
    pub(crate) fn moved(&mut self, moves: &[PositionMove]) -> Vec<Effect> {
        self.owned.advance(moves);
        let stopped = moves.iter().filter(|moved| self.stopped_at.remove(&moved.key).is_some());
        stopped.map(|moved| Effect::Resumed(moved.key)).collect()
    }

    /// The position stands there, as the database says.
    pub(crate) fn correct(&mut self, key: TopicPartition, next: Offset) {
        self.owned.correct(key, next);
    }

    /// The group took partitions away. They are not claimed again, also where whoever asked for it has
    /// not been heard yet: a stopped one's question may still lie in the channel to the poll thread.
    pub(crate) fn released(&mut self, keys: &[TopicPartition]) -> Vec<Effect> {
        for key in keys {
            self.owned.give_up(*key);
            self.stopped_at.remove(key);
        }
        self.waiting.retain(|claim| is_open(claim, keys));
        self.stopped.retain(|stopped| is_open(&stopped.claim, keys));
        let resumed = keys.iter().map(|key| Effect::Resumed(*key));
        resumed.chain([Effect::Changed]).collect()
    }

    /// When the next stopped partition is to be looked at.
    pub(crate) fn next_retry(&self) -> Option<Instant> {
        self.stopped.iter().map(|stopped| stopped.retry_at).min()
    }

    /// Claims those whose time has come.
    pub(crate) fn retry(&mut self, now: Instant) {
        let due = self.stopped.extract_if(.., |stopped| stopped.retry_at <= now);
        self.waiting.extend(due.map(|stopped| stopped.claim));
    }

    /// The name of a topic that was created anew since its positions were made.
    pub(crate) fn recreated(&self, names: &TopicNames, ids: &TopicIds) -> Option<String> {
        let is_other = |topic: &Topic| {
            let id = ids.get(names.name(*topic));
            id.is_some() && id != self.topic_ids.get(topic)
        };
        let topic = self.owned.keys().map(|key| key.topic).find(is_other)?;
        Some(names.name(topic).to_owned())
    }
}

fn is_open(claim: &Claim, released: &[TopicPartition]) -> bool {
    !claim.answer.is_closed() && !released.contains(&claim.key)
}

#[cfg(test)]
#[path = "assignments_tests.rs"]
mod tests;
