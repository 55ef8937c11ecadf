//! Waits for a condition. The only place of the tests where time passes on purpose.

use std::time::{Duration, Instant};

/// How often a condition is looked at.
const EVERY: Duration = Duration::from_millis(50);

/// Probes until there is an answer, and returns it; fails the test after `within`, naming `what`.
#[track_caller]
pub fn eventually<T>(
    within: Duration,
    what: &str,
    mut probe: impl AsyncFnMut() -> Option<T>,
) -> impl Future<Output = T> {
    let caller = std::panic::Location::caller();
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
