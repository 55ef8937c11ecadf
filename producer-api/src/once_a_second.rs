//! How often a warning may be repeated: an outage fails every request, and the log need not say so
//! for each. Writes no log.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

const SECOND: Duration = Duration::from_secs(1);

/// Lets one occurrence a second through.
#[derive(Debug, Default)]
pub(crate) struct OnceASecond(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    last: Option<Instant>,
    kept_back: u64,
}

impl OnceASecond {
    /// Something occurred: how often since it was let through last, where it is to be said now.
    pub(crate) fn due(&self) -> Option<u64> {
        self.due_at(Instant::now())
    }

    fn due_at(&self, now: Instant) -> Option<u64> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.kept_back += 1;
        if state.last.is_some_and(|last| now.duration_since(last) < SECOND) {
            return None;
        }
        state.last = Some(now);
        Some(std::mem::take(&mut state.kept_back))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_kept_back_is_counted_in_the_next_one() {
        let (warnings, start) = (OnceASecond::default(), Instant::now());
        assert_eq!(warnings.due_at(start), Some(1));
        for ms in [0, 500, 999] {
            assert_eq!(warnings.due_at(start + Duration::from_millis(ms)), None);
        }
        assert_eq!(warnings.due_at(start + SECOND), Some(4));
    }
}
