//! Whether the mail server is worth a connection now. Reads no clock: it is told the time.

use std::time::{Duration, Instant};

/// Between the first failure and the next probe; doubled with each further failure.
const FIRST_WAIT: Duration = Duration::from_millis(500);
/// The longest wait between probes.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// Shared by the couriers of a process: when the server is away one of them probes, the others
/// wait.
#[derive(Debug)]
pub(crate) struct Breaker {
    state: State,
    /// Since the server last dealt with a mail.
    failures: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// As far as is known the server is there.
    Closed,
    /// It is not; a probe may go out then.
    Open { until: Instant },
    /// A probe is under way; if nothing comes of it, the next may go out then.
    HalfOpen { until: Instant },
}

impl Breaker {
    /// Nothing is known of the server yet: the first connection is a probe.
    pub(crate) fn unproven(now: Instant) -> Self {
        Self { state: State::Open { until: now }, failures: 0 }
    }

    /// Whether the server is taken to be there.
    pub(crate) fn is_closed(&self) -> bool {
        self.state == State::Closed
    }

    /// Whether a connection may be tried now. Where this is a probe, it is the only one for
    /// `probe_max`, the longest that a connection can take.
    pub(crate) fn permits(&mut self, now: Instant, probe_max: Duration) -> bool {
        match self.state {
            State::Closed => true,
            State::Open { until } | State::HalfOpen { until } if now >= until => {
                self.state = State::HalfOpen { until: now + probe_max };
                true
            }
            State::Open { .. } | State::HalfOpen { .. } => false,
        }
    }

    /// The server took up a connection.
    pub(crate) fn connected(&mut self) {
        self.state = State::Closed;
    }

    /// The server dealt with a mail, whatever it said of it.
    pub(crate) fn dealt_with(&mut self) {
        self.state = State::Closed;
        self.failures = 0;
    }

    /// No connection, or one that is good for no mail.
    pub(crate) fn failed(&mut self, now: Instant) {
        let wait = FIRST_WAIT.saturating_mul(1 << self.failures.min(16)).min(LONGEST_WAIT);
        self.state = State::Open { until: now + wait };
        self.failures = self.failures.saturating_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROBE_MAX: Duration = Duration::from_secs(10);

    #[test]
    fn one_probe_goes_out_at_a_time_while_the_server_is_away() {
        let now = Instant::now();
        let mut breaker = Breaker::unproven(now);
        assert!(breaker.permits(now, PROBE_MAX), "the first");
        assert!(!breaker.permits(now, PROBE_MAX), "a second beside it");
        breaker.failed(now);
        assert!(!breaker.permits(now, PROBE_MAX), "at once after it failed");
        assert!(breaker.permits(now + FIRST_WAIT, PROBE_MAX), "after the wait");
        breaker.connected();
        assert!(breaker.permits(now, PROBE_MAX) && breaker.permits(now, PROBE_MAX), "then all");
    }

    #[test]
    fn a_probe_that_vanished_does_not_block_the_next_for_ever() {
        let now = Instant::now();
        let mut breaker = Breaker::unproven(now);
        assert!(breaker.permits(now, PROBE_MAX));
        assert!(breaker.permits(now + PROBE_MAX, PROBE_MAX));
    }

    #[test]
    fn a_server_that_greets_and_then_takes_nothing_is_probed_less_and_less() {
        let mut now = Instant::now();
        let mut breaker = Breaker::unproven(now);
        let mut waits = Vec::new();
        for _ in 0..8 {
            breaker.connected();
            breaker.failed(now);
            let State::Open { until } = breaker.state else { panic!("not open") };
            waits.push((until - now).as_millis());
            now = until;
        }
        assert_eq!(waits, [500, 1000, 2000, 4000, 8000, 16000, 30000, 30000]);
        breaker.dealt_with();
        breaker.failed(now);
        assert!(breaker.permits(now + FIRST_WAIT, PROBE_MAX), "a mail in between starts it anew");
    }
}
