//! A time limit that a process which did not run does not exceed. Waits for nothing by itself.

use std::pin::pin;
use std::time::Duration;

use futures::future::{Either, select};
use tokio::time::{Instant, sleep_until};

/// A timer that fires so much too late says that this process did not run: it was stopped, or the
/// machine was. What has come meanwhile may lie in the kernel, unread.
pub(crate) const LATE: Duration = Duration::from_millis(250);
/// How long is waited for it then.
pub(crate) const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// What `work` comes to, or nothing when it takes too long.
pub async fn within<T>(limit: Duration, work: impl Future<Output = T>) -> Option<T> {
    let mut work = pin!(work);
    let mut until = Instant::now() + limit;
    loop {
        if let Either::Left((done, _)) = select(&mut work, pin!(sleep_until(until))).await {
            return Some(done);
        }
        let now = Instant::now();
        if now.saturating_duration_since(until) <= LATE {
            return None;
        }
        until = now + LOOK_AGAIN;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_millis(100);

    #[tokio::test]
    async fn work_that_takes_too_long_is_given_up() {
        let never = within(LIMIT, std::future::pending::<()>());
        let ended = tokio::time::timeout(Duration::from_secs(10), never).await;
        assert_eq!(ended.expect("it ends"), None);
        assert_eq!(within(LIMIT, async { 7 }).await, Some(7));
    }

    #[tokio::test]
    async fn a_process_that_did_not_run_gives_nothing_up_that_is_there() {
        let frozen = async {
            // As long as nothing else of this thread runs, nobody can have the time.
            std::thread::sleep(LIMIT + LATE * 2);
            tokio::time::sleep(LIMIT).await;
        };
        assert_eq!(within(LIMIT, frozen).await, Some(()));
    }
}
