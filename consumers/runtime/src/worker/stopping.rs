//! How a worker stops one partition and comes back to it by itself, while the others go on.

use postgres_client::{CONVERSATION, within};
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::ownership::claim::{Claim, Start};
use crate::ownership::owned_partitions::TopicPartition;
use crate::ownership::positions;
use crate::ownership::stop::Halt;
use crate::projection::Projection;
use crate::worker::event_loop::{Setback, Worker, WorkerError};

/// A partition that stands still, and when it is to be claimed again.
pub(crate) struct PutOff {
    pub claim: Claim,
    pub until: Instant,
}

/// Tells the poll thread not to fetch a partition until its start is known again.
pub(crate) type Reclaim = (TopicPartition, oneshot::Receiver<Start>);

impl<P: Projection> Worker<P> {
    /// Stops partitions at work. What was fetched of them is dropped, and fetched again then.
    pub(crate) async fn stop_partitions(
        &mut self,
        halts: Vec<(TopicPartition, Halt)>,
    ) -> Result<(), Setback> {
        let held = |(key, halt)| self.owned.get(key).map(|owned| (key, owned, halt));
        let halts: Vec<_> = halts.into_iter().filter_map(held).collect();
        let (pool, names) = (&self.shared.pool, &self.shared.names);
        let noted = within(CONVERSATION, positions::note_halts(pool, names, &halts)).await;
        noted.map_err(|error| self.setback(error))?;
        for (key, owned, halt) in halts {
            self.stood_at.insert(key, owned.next);
            self.owned.give_up(key);
            self.breakers.give_up(key);
            let (answer, start) = oneshot::channel();
            // Where nobody listens, the client is being given up anyway.
            let _ = self.reclaims.send((key, start));
            self.put_off(Claim { key, answer }, &halt);
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
        let halt = |key| owned.get(key).map(|owned| (key, Halt::Unreadable { next: owned.next }));
        let halts = keys.into_iter().filter_map(halt).collect();
        let stopped = self.stop_partitions(halts).await;
        self.after(stopped, |worker| &mut worker.applying)
    }

    /// A partition does not stand still, or no longer.
    pub(crate) fn moves_on(&mut self, key: TopicPartition) {
        self.stood_at.remove(&key);
        self.shared.resume(self.index, key);
    }

    /// The claim stays open until it can be answered.
    pub(crate) fn put_off(&mut self, claim: Claim, halt: &Halt) {
        self.shared.halt(self.index, claim.key, halt);
        let pause = halt.pause(self.shared.settings.breaker_probe);
        self.stopped.push(PutOff { claim, until: Instant::now() + pause });
    }

    /// Partitions that were taken away are not claimed again, also where whoever asked for it has not
    /// been heard yet: a stopped one's question may still lie in the channel to the poll thread.
    pub(crate) fn forget(&mut self, keys: &[TopicPartition]) {
        self.claims.retain(|claim| is_open(claim, keys));
        self.stopped.retain(|put_off| is_open(&put_off.claim, keys));
    }

    /// When the next stopped partition is to be looked at.
    pub(crate) fn next_look(&self) -> Option<Instant> {
        self.stopped.iter().map(|put_off| put_off.until).min()
    }

    /// Claims those whose time has come, unless they were taken away meanwhile.
    pub(crate) fn look_again(&mut self) {
        let now = Instant::now();
        let (due, later) =
            std::mem::take(&mut self.stopped).into_iter().partition(|put_off| put_off.until <= now);
        self.stopped = later;
        let due: Vec<PutOff> = due;
        self.claims.extend(due.into_iter().map(|put_off| put_off.claim));
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
