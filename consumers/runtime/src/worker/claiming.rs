//! What a worker asks in the background, and what it does with the answers: where its partitions
//! stand, whether that fits the log, and whether the topics are still the same. The statement that takes
//! a position waits for whatever transaction its last owner left, and the other partitions do not.

use std::collections::HashMap;
use std::sync::Arc;

use kafka_client::{PositionMisfit, TopicIdError};
use postgres_client::{CONVERSATION, within};
use rdkafka::error::KafkaError;
use tokio::time::Instant;

use crate::log::hole::end_of_hole;
use crate::ownership::claim::{self, Check, Claim, ClaimError, TopicIds};
use crate::ownership::first_start;
use crate::ownership::owned_partitions::PositionMove;
use crate::ownership::positions::{self, TakenPosition};
use crate::partition::{Offset, TopicPartition};
use crate::projection::Projection;
use crate::worker::event_loop::Worker;
use crate::worker::step_error::{StepError, WorkerError};

/// What was answered in the background.
pub(crate) enum Answered {
    Positions(Vec<Claim>, Positions),
    Log(Check, Result<Option<PositionMisfit>, KafkaError>),
    TopicIds(Result<TopicIds, TopicIdError>),
    /// How far a partition holds no record from there on.
    Hole(TopicPartition, Offset, Result<Option<Offset>, KafkaError>),
}

/// Positions that were taken and the ids of their topics, or why they were not.
type Positions = Result<(Vec<TakenPosition>, TopicIds), ClaimError>;

impl<P: Projection> Worker<P> {
    pub(crate) async fn on_answer(&mut self, answered: Answered) -> Result<(), WorkerError> {
        match answered {
            Answered::Positions(claims, positions) => return self.taken(claims, positions),
            Answered::Log(check, Ok(misfit)) => {
                let effects = self.assignments.compared(check, misfit, Instant::now());
                if !effects.is_empty() {
                    self.timing.claiming.reset();
                }
                self.perform(effects);
            }
            Answered::Log(check, Err(error)) => {
                let reason = format!("{}/{}: {error}", check.topic, check.taken.key.number());
                return self.not_taken(vec![check.claim], StepError::Retry(reason));
            }
            Answered::TopicIds(Ok(ids)) => {
                let names = &self.workers.shared.names;
                if let Some(topic) = self.assignments.recreated(names, &ids) {
                    return Err(WorkerError::TopicRecreated(topic));
                }
            }
            // Whoever fetches hears it too.
            Answered::TopicIds(Err(error)) => tracing::debug!(%error, "topics not compared"),
            Answered::Hole(key, from, Ok(Some(to))) => {
                let passed = self.pass_hole(key, from, to).await;
                return self.after_applying(passed);
            }
            Answered::Hole(_, _, Ok(None)) => {}
            Answered::Hole(_, _, Err(error)) => tracing::debug!(%error, "holes not looked for"),
        }
        Ok(())
    }

    /// Begins to take the positions. The delay is reset by a partition that starts, not by one that
    /// was taken.
    pub(crate) fn claim(&mut self) {
        let Some((claims, taking)) = self.assignments.take() else { return };
        let (shared, consumer) = (Arc::clone(&self.workers.shared), Arc::clone(&self.consumer));
        self.background.spawn(async move {
            let _taking = taking;
            let (pool, names) = (&shared.pool, &shared.names);
            let taken = async {
                first_start::begin(pool, &consumer, names, P::TOPICS).await?;
                claim::take(pool, &consumer, names, &claims).await
            };
            let taken = taken.await;
            Answered::Positions(claims, taken)
        });
    }

    /// Has each position that was taken compared with its log.
    fn taken(&mut self, claims: Vec<Claim>, positions: Positions) -> Result<(), WorkerError> {
        let (taken, ids) = match positions {
            Ok(taken) => taken,
            Err(ClaimError::Unstarted) => {
                self.workers.postgres.answered();
                let effects = self.assignments.unstarted(claims, Instant::now());
                self.perform(effects);
                return Ok(());
            }
            Err(ClaimError::Store(error)) => {
                let error = self.step_error(error);
                return self.not_taken(claims, error);
            }
            Err(other) => return self.not_taken(claims, StepError::Retry(other.to_string())),
        };
        self.workers.postgres.answered();
        let mut taken: HashMap<_, _> = taken.into_iter().map(|taken| (taken.key, taken)).collect();
        for claim in claims {
            let Some(taken) = taken.remove(&claim.key) else { continue };
            let topic = self.workers.shared.names.name(claim.key.topic).to_owned();
            let topic_id = ids.get(&topic).cloned().unwrap_or_default();
            let check = Check { claim, taken, topic, topic_id };
            let consumer = Arc::clone(&self.consumer);
            self.background.spawn_blocking(move || {
                let misfit = check.misfit(&*consumer);
                Answered::Log(check, misfit)
            });
        }
        Ok(())
    }

    fn not_taken(&mut self, claims: Vec<Claim>, error: StepError) -> Result<(), WorkerError> {
        self.assignments.claimed(claims);
        self.wait(error, |timing| &mut timing.claiming)
    }

    pub(crate) fn compare_topics(&mut self) {
        let owned = self.assignments.owned().keys().map(|key| key.topic);
        let topics = claim::names_of(&self.workers.shared.names, owned);
        let consumer = Arc::clone(&self.consumer);
        self.background
            .spawn_blocking(move || Answered::TopicIds(claim::ask_topic_ids(&*consumer, &topics)));
    }

    pub(crate) fn look_for_hole(&mut self, key: TopicPartition, from: Offset) {
        if self.assignments.owned().get(key).is_none_or(|start| start.next != from) {
            return;
        }
        let shared = &self.workers.shared;
        let kafka = shared.settings.kafka.clone();
        let topic = shared.names.name(key.topic).to_owned();
        self.background.spawn_blocking(move || {
            Answered::Hole(key, from, end_of_hole(&kafka, &topic, key.partition, from))
        });
    }

    /// Moves the position over it, unless it has moved since.
    async fn pass_hole(
        &mut self,
        key: TopicPartition,
        from: Offset,
        to: Offset,
    ) -> Result<(), StepError> {
        let start = self.assignments.owned().get(key);
        let Some(start) = start.filter(|start| start.next == from) else { return Ok(()) };
        let moves = [PositionMove { key, epoch: start.epoch, from, to }];
        let (pool, names) = (&self.workers.shared.pool, &self.workers.shared.names);
        let moved = async {
            let mut conn = pool.acquire().await?;
            positions::advance(&mut conn, names, &moves).await
        };
        within(CONVERSATION, moved).await.map_err(|error| self.step_error(error))?;
        self.moved(&moves);
        Ok(())
    }
}
