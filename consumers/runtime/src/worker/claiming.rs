//! How a worker comes by its partitions, and over holes in them: what it does with the answers of
//! `background`.

use std::collections::HashMap;

use postgres_client::{CONVERSATION, within};
use tokio::time::Instant;

use crate::ownership::claim::{Check, Claim, ClaimError};
use crate::ownership::owned_partitions::PositionMove;
use crate::ownership::positions;
use crate::partition::{Offset, TopicPartition};
use crate::projection::Projection;
use crate::worker::background::{Answered, Positions};
use crate::worker::event_loop::Worker;
use crate::worker::step_error::{StepError, WorkerError};

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
        self.background.take_positions(P::TOPICS, claims, taking);
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
            self.background.compare(Check { claim, taken, topic, topic_id });
        }
        Ok(())
    }

    fn not_taken(&mut self, claims: Vec<Claim>, error: StepError) -> Result<(), WorkerError> {
        self.assignments.claimed(claims);
        self.wait(error, |timing| &mut timing.claiming)
    }

    pub(crate) fn compare_topics(&mut self) {
        self.background.ask_topic_ids(self.assignments.owned().keys().map(|key| key.topic));
    }

    pub(crate) fn look_for_hole(&mut self, key: TopicPartition, from: Offset) {
        if self.assignments.owned().get(key).is_some_and(|start| start.next == from) {
            self.background.look_for_hole(key, from);
        }
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
