//! How far a verb is, on standard error: a bar on a terminal, a line every few seconds elsewhere. Knows
//! no verb.

use std::io::{IsTerminal, stderr};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Between two lines.
pub(crate) const LINE_EVERY: Duration = Duration::from_secs(5);

/// Whether there are lines, and no bar is seen.
pub(crate) fn is_in_lines() -> bool {
    !stderr().is_terminal()
}

/// A bar of this form, hidden where there are lines.
pub(crate) fn bar(form: &str, total: u64) -> ProgressBar {
    let target = match is_in_lines() {
        true => ProgressDrawTarget::hidden(),
        false => ProgressDrawTarget::stderr(),
    };
    let style = ProgressStyle::with_template(form);
    let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::with_draw_target(Some(total), target).with_style(style)
}
