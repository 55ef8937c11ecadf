//! The one place that reads the wall clock, so that everything else can be handed a time.

use chrono::{DateTime, Utc};

/// Now.
#[expect(clippy::disallowed_methods, reason = "this is the clock that the rule points to")]
pub fn now() -> DateTime<Utc> {
    Utc::now()
}
