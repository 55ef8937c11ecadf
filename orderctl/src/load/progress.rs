//! Shows how far a load is.

use std::sync::Arc;
use std::time::Duration;

use indicatif::{HumanCount, HumanDuration, ProgressBar};

use super::drive::Run;
use crate::progress::{LINE_EVERY, bar, is_in_lines};

const BAR: &str = "{prefix:>9} {wide_bar} {human_pos} of {human_len}, {per_sec}, {eta} left{msg}";
const REDRAW_EVERY: Duration = Duration::from_millis(200);

/// Shows the run's progress until it is dropped.
pub(crate) struct Progress {
    shown: tokio::task::JoinHandle<()>,
    bar: ProgressBar,
}

impl Progress {
    pub(crate) fn start(what: &'static str, run: &Arc<Run>, total: u64) -> Self {
        let (bar, lines) = (bar(BAR, total).with_prefix(what), is_in_lines());
        let every = if lines { LINE_EVERY } else { REDRAW_EVERY };
        let shown = tokio::spawn(show(bar.clone(), Arc::clone(run), every, lines));
        Self { shown, bar }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.shown.abort();
        self.bar.finish_and_clear();
    }
}

async fn show(bar: ProgressBar, run: Arc<Run>, every: Duration, lines: bool) {
    let mut tick = tokio::time::interval(every);
    tick.tick().await;
    loop {
        tick.tick().await;
        let (over, retried) = {
            let sums = run.sums();
            (sums.requests.over(), sums.requests.retried)
        };
        bar.set_position(over);
        if retried > 0 {
            bar.set_message(format!(", {} retried", HumanCount(retried)));
        }
        if lines {
            say(&bar, retried);
        }
    }
}

fn say(bar: &ProgressBar, retried: u64) {
    eprintln!(
        "{}: {} of {}, {:.0} a second, {} left, {retried} retried",
        bar.prefix(),
        HumanCount(bar.position()),
        HumanCount(bar.length().unwrap_or_default()),
        bar.position() as f64 / bar.elapsed().as_secs_f64(),
        HumanDuration(bar.eta()),
    );
}
