//! How long requests wait until their worker comes to them, and which of them are refused because that
//! grew too long. Answers nothing.
//!
//! A worker has one queue, in order, of all that is ready. So a task that is put into it learns how long a
//! request waits that comes now; one is under way while requests come (docs/decisions/0014).

use std::cell::RefCell;
use std::time::{Duration, Instant};

use ::metrics::{Counter, Histogram, counter, histogram};

use crate::metrics::{QUEUE_REFUSED, QUEUE_SECONDS};

/// A queue that was too long for less than this is a burst, or a process that did not run, and is worked
/// off. One that stands longer grows (RFC 8289).
const STANDING: Duration = Duration::from_millis(100);

thread_local! {
    static OF_THIS_WORKER: RefCell<State> = RefCell::default();
}

/// Says which requests are refused where a worker's queue stands.
#[derive(Clone)]
pub struct Queue {
    delay_max: Duration,
    delays: Histogram,
    refused: Counter,
}

impl Queue {
    /// A queue in which a request may wait for `delay_max`.
    pub fn new(delay_max: Duration) -> Self {
        let (delays, refused) = (histogram!(QUEUE_SECONDS), counter!(QUEUE_REFUSED));
        Self { delay_max, delays, refused }
    }

    /// Whether the request that is asked for is to be served. Of those that come while the queue stands at
    /// twice what it may be, every other one is.
    pub fn admits(&self) -> bool {
        let is_served = OF_THIS_WORKER.with_borrow_mut(|state| {
            let now = Instant::now();
            if state.begins(now) {
                actix_web::rt::spawn(measured(self.delays.clone()));
            }
            state.admits(self.delay_max, now)
        });
        self.refused.increment(u64::from(!is_served));
        is_served
    }
}

/// What is put into the queue.
async fn measured(delays: Histogram) {
    if let Some(delay) = OF_THIS_WORKER.with_borrow_mut(|state| state.ends(Instant::now())) {
        delays.record(delay);
    }
}

/// What a worker knows of its queue.
#[derive(Debug, Default)]
struct State {
    /// Since when a task waits in the queue.
    waiting_since: Option<Instant>,
    /// How long the last one has waited, and until when.
    last: Option<(Duration, Instant)>,
    /// Since when every delay was too long.
    too_long_since: Option<Instant>,
    /// Shares of requests that were not served yet.
    credit: f64,
}

impl State {
    /// Whether a task is to be put into the queue, because none is there.
    fn begins(&mut self, now: Instant) -> bool {
        if self.waiting_since.is_some() {
            return false;
        }
        self.waiting_since = Some(now);
        // What was in the queue has been worked off since, and nothing came.
        self.last =
            self.last.filter(|(delay, until)| now.saturating_duration_since(*until) < *delay);
        true
    }

    fn ends(&mut self, now: Instant) -> Option<Duration> {
        self.last = self.waiting_since.take().map(|since| (now - since, now));
        self.last.map(|(delay, _)| delay)
    }

    fn admits(&mut self, max: Duration, now: Instant) -> bool {
        let waited = self.waiting_since.map_or(Duration::ZERO, |since| now - since);
        let delay = self.last.map_or(waited, |(last, _)| last.max(waited));
        if delay <= max {
            (self.too_long_since, self.credit) = (None, 0.0);
            return true;
        }
        let since = *self.too_long_since.get_or_insert(now);
        if now.saturating_duration_since(since) < STANDING {
            return true;
        }
        self.credit += max.as_secs_f64() / delay.as_secs_f64();
        let is_served = self.credit >= 1.0;
        self.credit -= f64::from(u8::from(is_served));
        is_served
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX: Duration = Duration::from_millis(50);

    /// Every request that comes each millisecond while each waits for `delay`.
    fn served(state: &mut State, from: Instant, delay: Duration, count: u32) -> usize {
        (0..count)
            .filter(|n| {
                let now = from + Duration::from_millis(1) * *n;
                if state.waiting_since.is_some_and(|since| now - since >= delay) {
                    state.ends(now);
                }
                state.begins(now);
                state.admits(MAX, now)
            })
            .count()
    }

    #[test]
    fn of_a_queue_that_stands_only_the_share_that_fits_is_served() {
        let (mut state, start) = (State::default(), Instant::now());
        let second = Duration::from_secs(1);
        assert_eq!(served(&mut state, start, MAX, 1000), 1000, "as long as it may be");
        served(&mut state, start + second, MAX * 2, 1000);
        let share = served(&mut state, start + second * 2, MAX * 2, 1000);
        assert!((495..=505).contains(&share), "{share} of 1000");
        let share = served(&mut state, start + second * 3, MAX * 4, 1000);
        assert!((245..=400).contains(&share), "{share} of 1000");
    }

    #[test]
    fn a_burst_and_a_pause_of_the_process_refuse_nothing() {
        let (mut state, start) = (State::default(), Instant::now());
        state.begins(start);
        let late = start + STANDING * 10;
        assert!(state.admits(MAX, late), "the process did not run");
        state.ends(late);
        assert_eq!(served(&mut state, late, MAX * 2, 50), 50, "a burst");
    }

    #[test]
    fn what_was_measured_before_a_silence_counts_no_more() {
        let (mut state, start) = (State::default(), Instant::now());
        served(&mut state, start, MAX * 2, 500);
        state.ends(start + Duration::from_millis(500));
        let later = start + Duration::from_secs(10);
        assert_eq!(served(&mut state, later, Duration::ZERO, 1000), 1000);
    }
}
