//! How a worker takes the positions of the partitions that it was given, in the background: the
//! statement waits for whatever transaction their last owner left, and the other partitions do not.
//! Does not decide whether a position fits its log.

use std::collections::HashMap;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::ownership::claim::{self, Check, Claim, ClaimError, TopicIds};
use crate::ownership::first_start;
use crate::ownership::owned_partitions::TopicPartition;
use crate::ownership::positions::Taken;
use crate::ownership::stop::Stop;
use crate::projection::Projection;
use crate::worker::event_loop::{Answered, StepError, Worker, WorkerError};

/// Positions that are being taken.
pub(crate) struct Taking {
    keys: Vec<TopicPartition>,
    ended: CancellationToken,
}

/// Positions that were taken and the ids of their topics, or why they were not.
pub(crate) type Answer = Result<(Vec<Taken>, TopicIds), ClaimError>;

impl<P: Projection> Worker<P> {
    /// Begins to take the positions. The delay is reset by a partition that starts, not by one that
    /// was taken.
    pub(crate) fn claim(&mut self) {
        // Another worker's by now: to take its position would fence that one.
        self.claims.retain(|claim| !claim.answer.is_closed());
        self.taking.retain(|taking| !taking.ended.is_cancelled());
        let claims = std::mem::take(&mut self.claims);
        if claims.is_empty() {
            return;
        }
        let keys = claims.iter().map(|claim| claim.key).collect();
        let ended = CancellationToken::new();
        self.taking.push(Taking { keys, ended: ended.clone() });
        let (shared, consumer) = (Arc::clone(&self.shared), Arc::clone(&self.consumer));
        self.background.spawn(async move {
            let _ended = ended.drop_guard();
            let (pool, names) = (&shared.pool, &shared.names);
            let taken = async {
                first_start::begin::<P>(pool, &consumer, names).await?;
                claim::take(pool, &consumer, names, &claims).await
            };
            let taken = taken.await;
            Answered::Positions(claims, taken)
        });
    }

    /// Until none of these positions is being taken: to take one after its next owner did would fence
    /// that one.
    pub(crate) fn not_taking(&self, keys: &[TopicPartition]) -> impl Future<Output = ()> + use<P> {
        let of_these = |taking: &&Taking| taking.keys.iter().any(|key| keys.contains(key));
        let taking = self.taking.iter().filter(of_these);
        let all: Vec<_> = taking.map(|taking| taking.ended.clone()).collect();
        async move {
            for ended in all {
                ended.cancelled().await;
            }
        }
    }

    /// Has each position that was taken compared with its log.
    pub(crate) fn claimed(
        &mut self,
        claims: Vec<Claim>,
        answer: Answer,
    ) -> Result<(), WorkerError> {
        let (taken, ids) = match answer {
            Ok(taken) => taken,
            Err(ClaimError::Unstarted) => {
                self.postgres_answered();
                claims.into_iter().for_each(|claim| self.stop_claim(claim, &Stop::Unstarted));
                self.owned_changed();
                return Ok(());
            }
            Err(error) => {
                self.claims.extend(claims);
                let setback = match error {
                    ClaimError::Store(error) => self.step_error(error),
                    other => StepError::Retry(other.to_string()),
                };
                return self.after(Err(setback), |worker| &mut worker.claiming);
            }
        };
        self.postgres_answered();
        let mut taken: HashMap<_, _> = taken.into_iter().map(|taken| (taken.key, taken)).collect();
        for claim in claims {
            let Some(taken) = taken.remove(&claim.key) else { continue };
            let topic = self.shared.names.name(claim.key.0).to_owned();
            let topic_id = ids.get(&topic).cloned().unwrap_or_default();
            let mut check = Check { claim, taken, topic, topic_id };
            let consumer = Arc::clone(&self.consumer);
            self.background.spawn_blocking(move || {
                let misfit = check.misfit(&consumer);
                Answered::Log(check, misfit)
            });
        }
        Ok(())
    }
}
