//! How a worker stops one partition and comes back to it by itself, while the others go on.

use postgres_client::{CONVERSATION, within};
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::ownership::claim::{Claim, Start};
use crate::ownership::owned_partitions::TopicPartition;
use crate::ownership::positions;
use crate::ownership::stop::Stop;
use crate::projection::Projection;
use crate::worker::event_loop::{StepError, Worker, WorkerError};

/// A partition that stands still, and when it is to be claimed again.
pub(crate) struct StoppedClaim {
    pub claim: Claim,
    pub retry_at: Instant,
}

/// Tells the poll thread not to fetch a partition until its start is known again.
pub(crate) type Reclaim = (TopicPartition, oneshot::Receiver<Start>);

impl<P: Projection> Worker<P> {
    /// Stops partitions at work. What was fetched of them is dropped, and fetched again then.
    pub(crate) async fn stop_partitions(
        &mut self,
        stops: Vec<(TopicPartition, Stop)>,
    ) -> Result<(), StepError> {
        let held = |(key, stop)| self.owned.get(key).map(|owned| (key, owned, stop));
        let stops: Vec<_> = stops.into_iter().filter_map(held).collect();
        let (pool, names) = (&self.shared.pool, &self.shared.names);
        let noted = within(CONVERSATION, positions::note_stops(pool, names, &stops)).await;
        noted.map_err(|error| self.step_error(error))?;
        for (key, owned, stop) in stops {
            self.stopped_at.insert(key, owned.next);
            self.owned.give_up(key);
            self.breakers.give_up(key);
            let (answer, start) = oneshot::channel();
            // Where nobody listens, the client is being given up anyway.
            let _ = self.reclaims.send((key, start));
            self.stop_claim(Claim { key, answer }, &stop);
        }
        self.owned_changed();
        Ok(())
    }

    /// Those that it still holds.
    pub(crate) async fn stop_unreadable(
        &mut self,
        keys: Vec<TopicPartition>,
    ) -> Result<(), WorkerError> {
        let owned = &self.owned;
        let stop = |key| owned.get(key).map(|owned| (key, Stop::Unreadable { next: owned.next }));
        let stops = keys.into_iter().filter_map(stop).collect();
        let stopped = self.stop_partitions(stops).await;
        self.after(stopped, |worker| &mut worker.applying)
    }

    /// A partition does not stand still, or no longer.
    pub(crate) fn moves_on(&mut self, key: TopicPartition) {
        self.stopped_at.remove(&key);
        self.shared.resume(self.index, key);
    }

    /// The claim stays open until it can be answered.
    pub(crate) fn stop_claim(&mut self, claim: Claim, stop: &Stop) {
        self.shared.stop(self.index, claim.key, stop);
        let pause = stop.pause(self.shared.settings.breaker_probe);
        self.stopped.push(StoppedClaim { claim, retry_at: Instant::now() + pause });
    }

    /// Partitions that were taken away are not claimed again, also where whoever asked for it has not
    /// been heard yet: a stopped one's question may still lie in the channel to the poll thread.
    pub(crate) fn forget(&mut self, keys: &[TopicPartition]) {
        self.claims.retain(|claim| is_open(claim, keys));
        self.stopped.retain(|stopped| is_open(&stopped.claim, keys));
    }

    /// When the next stopped partition is to be looked at.
    pub(crate) fn next_retry(&self) -> Option<Instant> {
        self.stopped.iter().map(|stopped| stopped.retry_at).min()
    }

    /// Claims those whose time has come, unless they were taken away meanwhile.
    pub(crate) fn retry_stopped(&mut self) {
        let now = Instant::now();
        let (due, later) = std::mem::take(&mut self.stopped)
            .into_iter()
            .partition(|stopped| stopped.retry_at <= now);
        self.stopped = later;
        let due: Vec<StoppedClaim> = due;
        self.claims.extend(due.into_iter().map(|stopped| stopped.claim));
    }
}

fn is_open(claim: &Claim, released: &[TopicPartition]) -> bool {
    !claim.answer.is_closed() && !released.contains(&claim.key)
}

#[cfg(test)]
mod tests {
    use events_schema::Topic;

    use super::*;

    #[test]
    fn a_partition_that_was_taken_away_is_not_claimed_again_though_nobody_has_hung_up() {
        let (answer, _unheard) = oneshot::channel();
        let claim = Claim { key: (Topic::Stock, 1), answer };
        assert!(is_open(&claim, &[(Topic::Stock, 2)]));
        assert!(!is_open(&claim, &[(Topic::Stock, 2), (Topic::Stock, 1)]));
    }
}
