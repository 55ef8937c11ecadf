//! How long to wait before a failed step is tried again: longer each time, and not as long as the
//! neighbours, so that they do not all come back to a server that recovers at the same moment.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use tokio::time::Instant;

/// Between the tries of one step, and the probes of Postgres.
pub(crate) const DELAYS: chassis::backoff::Backoff =
    chassis::backoff::Backoff { first: Duration::from_millis(50), longest: Duration::from_secs(2) };

/// So that two who fail together do not come back together.
pub(crate) fn random() -> u64 {
    // The standard library draws a hasher's keys.
    RandomState::new().hash_one(0)
}

/// What a step did.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Taken,
    /// As taken, but others come first for a moment.
    Rest,
    NothingToDo,
}

/// The delays of one kind of step.
#[derive(Debug)]
pub(crate) struct Backoff {
    failures: u32,
    seed: u64,
    until: Option<Instant>,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { failures: 0, seed: random(), until: None }
    }
}

impl Backoff {
    /// A step succeeded.
    pub(crate) fn reset(&mut self) {
        (self.failures, self.until) = (0, None);
    }

    /// A step failed: the next one waits about twice as long as the last did.
    pub(crate) fn next_delay(&mut self) -> Duration {
        self.failures = self.failures.saturating_add(1);
        let delay = DELAYS.wait(self.failures, self.seed);
        self.until = Some(Instant::now() + delay);
        delay
    }

    /// How long to rest after a step: not at all where it did something, `idle` where there was nothing
    /// to do, and longer each time where it failed, which says `waits`.
    pub(crate) fn after(
        &mut self,
        step: anyhow::Result<Step>,
        idle: Duration,
        waits: &'static str,
    ) -> Duration {
        match step {
            Ok(step) => {
                self.reset();
                if step == Step::NothingToDo { idle } else { Duration::ZERO }
            }
            Err(error) => {
                let error = format!("{error:#}");
                tracing::warn!(error, "{waits}");
                self.next_delay()
            }
        }
    }

    /// Until the delay is over; at once where there is none.
    pub(crate) fn over(&self) -> impl Future<Output = ()> + use<> {
        let until = self.until;
        async move {
            if let Some(until) = until {
                tokio::time::sleep_until(until).await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_that_failed_together_do_not_come_back_together() {
        let mut delays: Vec<_> = (0..100).map(|_| Backoff::default().next_delay()).collect();
        delays.sort();
        delays.dedup();
        assert!(delays.len() > 50, "{delays:?}");
    }

    #[test]
    fn a_success_begins_anew() {
        let mut backoff = Backoff::default();
        for _ in 0..10 {
            backoff.next_delay();
        }
        backoff.reset();
        assert!(backoff.next_delay() < DELAYS.first * 2);
    }
}
