//! Whether a server is worth a connection now: a circuit breaker with a half-open probe. Reads no
//! clock: it is told the time.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use chassis::backoff::Backoff;
use metrics::{Gauge, gauge};

use crate::backoff::random;

const STATE: &str = "orderflow_breaker_state";

/// The breaker of one dependency, shared by whatever of the process uses it: when the server is away
/// one of them probes, the others wait. Its state is `orderflow_breaker_state{dependency,state}`.
#[derive(Debug)]
pub struct CircuitBreaker {
    breaker: Mutex<Machine>,
    closed: Gauge,
    open: Gauge,
    half_open: Gauge,
}

impl CircuitBreaker {
    /// Of a server of which nothing is known yet: the first connection is a probe. After a failure the
    /// next probe waits, longer with each, and not as long as that of another process.
    pub fn unproven(projection: &'static str, dependency: &'static str, waits: Backoff) -> Self {
        let state = |state: &'static str| gauge!(STATE, "projection" => projection, "dependency" => dependency, "state" => state);
        let breaker = Machine::unproven(Instant::now(), waits, random());
        Self {
            breaker: Mutex::new(breaker),
            closed: state("closed"),
            open: state("open"),
            half_open: state("half_open"),
        }
    }

    /// Whether the server is taken to be there.
    pub fn is_closed(&self) -> bool {
        self.lock().state == State::Closed
    }

    /// Whether something may be tried now. Where this is a probe, it is the only one for
    /// `probe_max`, the longest that it can take.
    pub fn permits(&self, probe_max: Duration) -> bool {
        self.change(|breaker| breaker.permits(Instant::now(), probe_max))
    }

    /// The server took up a connection.
    pub fn connected(&self) {
        self.change(Machine::connected);
    }

    /// The server dealt with what it was asked, whatever it said of it.
    pub fn dealt_with(&self) {
        self.change(Machine::dealt_with);
    }

    /// No connection, or one that is good for nothing.
    pub fn failed(&self) {
        self.change(|breaker| breaker.failed(Instant::now()));
    }

    fn change<T>(&self, change: impl FnOnce(&mut Machine) -> T) -> T {
        let mut breaker = self.lock();
        let before = breaker.state;
        let answer = change(&mut breaker);
        if breaker.state != before {
            let state = breaker.state;
            let is = |yes: bool| f64::from(u8::from(yes));
            self.closed.set(is(state == State::Closed));
            self.open.set(is(matches!(state, State::Open { .. })));
            self.half_open.set(is(matches!(state, State::HalfOpen { .. })));
        }
        answer
    }

    fn lock(&self) -> MutexGuard<'_, Machine> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug)]
struct Machine {
    state: State,
    /// Since the server last dealt with something.
    failures: u32,
    waits: Backoff,
    seed: u64,
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

impl Machine {
    fn unproven(now: Instant, waits: Backoff, seed: u64) -> Self {
        Self { state: State::Open { until: now }, failures: 0, waits, seed }
    }

    fn permits(&mut self, now: Instant, probe_max: Duration) -> bool {
        match self.state {
            State::Closed => true,
            State::Open { until } | State::HalfOpen { until } if now >= until => {
                self.state = State::HalfOpen { until: now + probe_max };
                true
            }
            State::Open { .. } | State::HalfOpen { .. } => false,
        }
    }

    fn connected(&mut self) {
        self.state = State::Closed;
    }

    fn dealt_with(&mut self) {
        self.state = State::Closed;
        self.failures = 0;
    }

    fn failed(&mut self, now: Instant) {
        self.failures = self.failures.saturating_add(1);
        self.state = State::Open { until: now + self.waits.wait(self.failures, self.seed) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROBE_MAX: Duration = Duration::from_secs(10);
    const WAITS: Backoff =
        Backoff { first: Duration::from_millis(500), longest: Duration::from_secs(30) };

    fn unproven(now: Instant) -> Machine {
        Machine::unproven(now, WAITS, 0)
    }

    /// When the next probe may go out.
    fn opens(breaker: &Machine) -> Instant {
        let State::Open { until } = breaker.state else { panic!("not open") };
        until
    }

    #[test]
    fn one_probe_goes_out_at_a_time_while_the_server_is_away() {
        let now = Instant::now();
        let mut breaker = unproven(now);
        assert!(breaker.permits(now, PROBE_MAX), "the first");
        assert!(!breaker.permits(now, PROBE_MAX), "a second beside it");
        breaker.failed(now);
        assert!(!breaker.permits(now, PROBE_MAX), "at once after it failed");
        let until = opens(&breaker);
        assert!(breaker.permits(until, PROBE_MAX), "after the wait");
        breaker.connected();
        assert!(breaker.permits(now, PROBE_MAX) && breaker.permits(now, PROBE_MAX), "then all");
    }

    #[test]
    fn a_probe_that_vanished_does_not_block_the_next_for_ever() {
        let now = Instant::now();
        let mut breaker = unproven(now);
        assert!(breaker.permits(now, PROBE_MAX));
        assert!(breaker.permits(now + PROBE_MAX, PROBE_MAX));
    }

    #[test]
    fn a_server_that_greets_and_then_takes_nothing_is_probed_less_and_less() {
        let mut now = Instant::now();
        let mut breaker = unproven(now);
        let mut waits = Vec::new();
        for _ in 0..8 {
            breaker.connected();
            breaker.failed(now);
            waits.push(opens(&breaker) - now);
            now = opens(&breaker);
        }
        let expected: Vec<Duration> = (1..=8).map(|failures| WAITS.wait(failures, 0)).collect();
        assert_eq!(waits, expected);
        breaker.dealt_with();
        breaker.failed(now);
        assert_eq!(opens(&breaker) - now, expected[0], "a mail in between starts it anew");
    }

    #[test]
    fn two_processes_that_lost_a_server_together_do_not_probe_it_together() {
        let now = Instant::now();
        let mut probes: Vec<Instant> = (0..100)
            .map(|_| {
                let mut breaker = Machine::unproven(now, WAITS, random());
                breaker.failed(now);
                opens(&breaker)
            })
            .collect();
        probes.sort();
        probes.dedup();
        assert!(probes.len() > 50, "{probes:?}");
    }
}
