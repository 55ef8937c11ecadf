//! Shows how far a load is: a bar on a terminal, a line every few seconds elsewhere.

use std::io::{IsTerminal, stderr};
use std::sync::Arc;
use std::time::Duration;

use indicatif::{HumanCount, HumanDuration, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::drive::Run;

const BAR: &str = "{prefix:>9} {wide_bar} {human_pos} of {human_len}, {per_sec}, {eta} left{msg}";
const REDRAW_EVERY: Duration = Duration::from_millis(200);
const LINE_EVERY: Duration = Duration::from_secs(5);

/// Shows the run's progress until it is dropped.
pub(crate) struct Progress {
    shown: tokio::task::JoinHandle<()>,
    bar: ProgressBar,
}

impl Progress {
    pub(crate) fn start(what: &'static str, run: &Arc<Run>, total: u64) -> Self {
        let terminal = stderr().is_terminal();
        let target =
            if terminal { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let style =
            ProgressStyle::with_template(BAR).unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar =
            ProgressBar::with_draw_target(Some(total), target).with_style(style).with_prefix(what);
        let every = if terminal { REDRAW_EVERY } else { LINE_EVERY };
        let shown = tokio::spawn(show(bar.clone(), Arc::clone(run), every, !terminal));
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
