//! How long the registry is waited for. Asks nothing.

use std::time::Duration;

/// An answer takes this long at most.
const ANSWER: Duration = Duration::from_secs(5);

/// How long an answer is waited for; with the defect `patient-registry`, which only a build of the
/// test-only feature `faults` can have, as good as for ever.
pub(super) fn answer() -> Duration {
    #[cfg(feature = "faults")]
    if std::env::var("ORDERFLOW_FAULT").is_ok_and(|fault| fault == "patient-registry") {
        return Duration::from_secs(3600);
    }
    ANSWER
}
