//! Waits for a condition: the only place of the tests where time passes on purpose. For whoever's tests
//! need it; no program does.

#![deny(missing_docs)]
#![expect(clippy::panic, reason = "what never holds fails the test")]

use std::panic::Location;
use std::time::{Duration, Instant};

/// How long [`eventually`] waits: enough for a slow machine to join a group.
pub const WITHIN: Duration = Duration::from_secs(30);
/// How often a condition is looked at.
const EVERY: Duration = Duration::from_millis(20);

/// Counts the sessions of this database that wait for a lock.
pub const WAITING_FOR_A_LOCK: &str = "SELECT count(*) FROM pg_stat_activity
     WHERE datname = current_database() AND wait_event_type = 'Lock'";

/// Probes until the answer is yes; fails the test after [`WITHIN`], naming `what`. A probe that does not
/// answer ends then, too.
#[track_caller]
pub fn eventually(what: &str, mut probe: impl AsyncFnMut() -> bool) -> impl Future<Output = ()> {
    let caller = Location::caller();
    async move {
        let holds = async {
            while !probe().await {
                tokio::time::sleep(EVERY).await;
            }
        };
        let in_time = tokio::time::timeout(WITHIN, holds).await;
        assert!(in_time.is_ok(), "{caller}: not within {WITHIN:?}: {what}");
    }
}

/// Probes until there is an answer, and returns it; fails the test after `within`, naming `what`.
#[track_caller]
pub fn found_within<T>(
    within: Duration,
    what: &str,
    mut probe: impl AsyncFnMut() -> Option<T>,
) -> impl Future<Output = T> {
    let caller = Location::caller();
    async move {
        let found = poll(within, &mut probe).await;
        found.unwrap_or_else(|| panic!("{caller}: not within {within:?}: {what}"))
    }
}

/// Whether the condition comes true within this time.
pub async fn holds_within(within: Duration, mut probe: impl AsyncFnMut() -> bool) -> bool {
    poll(within, &mut async || probe().await.then_some(())).await.is_some()
}

async fn poll<T>(within: Duration, probe: &mut impl AsyncFnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + within;
    loop {
        let found = probe().await;
        if found.is_some() || Instant::now() > deadline {
            return found;
        }
        tokio::time::sleep(EVERY).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_condition_is_looked_at_until_it_holds() {
        let mut looks = 0;
        eventually("the third look", async || {
            looks += 1;
            looks == 3
        })
        .await;
        assert_eq!(found_within(WITHIN, "an answer", async || Some(7)).await, 7);
        assert!(!holds_within(Duration::ZERO, async || false).await);
    }

    #[tokio::test]
    #[should_panic(expected = "not within 0ns: the answer")]
    async fn what_never_holds_fails_the_test_and_is_named() {
        found_within(Duration::ZERO, "the answer", async || None::<()>).await;
    }
}
