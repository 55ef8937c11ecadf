//! How long to wait before a failed step is tried again: longer each time. Pure but for the clock.

use std::time::Duration;

use tokio::time::Instant;

pub(crate) const PAUSE_MIN: Duration = Duration::from_millis(50);
pub(crate) const PAUSE_MAX: Duration = Duration::from_secs(2);

/// What a step did.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Taken,
    /// As taken, but others come first for a moment.
    Rest,
    NothingToDo,
}

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
                self.restore();
                if step == Step::NothingToDo { idle } else { Duration::ZERO }
            }
            Err(error) => {
                let error = format!("{error:#}");
                tracing::warn!(error, "{waits}");
                self.wait()
            }
        }
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
