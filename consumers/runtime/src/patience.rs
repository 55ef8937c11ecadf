//! How long to wait before a failed step is tried again: longer each time. Pure but for the clock.

use std::time::Duration;

use tokio::time::Instant;

pub(crate) const PAUSE_MIN: Duration = Duration::from_millis(50);
pub(crate) const PAUSE_MAX: Duration = Duration::from_secs(5);

/// The pause of one kind of step.
#[derive(Debug, Default)]
pub(crate) struct Patience(Option<(Duration, Instant)>);

impl Patience {
    /// A step succeeded.
    pub(crate) fn restore(&mut self) {
        self.0 = None;
    }

    /// A step failed: the next one waits twice as long as the last did.
    pub(crate) fn wait(&mut self) -> Duration {
        let pause = self.0.map_or(PAUSE_MIN, |(pause, _)| (pause * 2).min(PAUSE_MAX));
        self.0 = Some((pause, Instant::now() + pause));
        pause
    }

    /// Until the pause is over; at once where there is none.
    pub(crate) fn over(&self) -> impl Future<Output = ()> + use<> {
        let until = self.0.map(|(_, until)| until);
        async move {
            if let Some(until) = until {
                tokio::time::sleep_until(until).await;
            }
        }
    }
}
