//! Defects put in on purpose, behind the test-only feature `faults`: the tests show that each is
//! noticed. Without the feature every one of them is off, whatever the environment says.

use std::time::Duration;

use chassis::faults::active;

/// The position is committed before the rows.
pub(crate) fn position_first() -> bool {
    active("position-first")
}

/// A worker does not hear that it lost its partitions: only the compare-and-set keeps it out.
pub(crate) fn release_missed() -> bool {
    active("release-missed") || no_fence()
}

/// Nor does the compare-and-set.
pub(crate) fn no_fence() -> bool {
    active("no-fence")
}

/// An outage of the database parks the batch in hand.
pub(crate) fn park_on_outage() -> bool {
    active("park-on-outage")
}

/// Where a position does not fit the log, reading begins at the log's beginning, silently.
pub(crate) fn skip_on_gap() -> bool {
    active("skip-on-gap")
}

/// A redrive applies what comes last first.
pub(crate) fn redrive_out_of_order() -> bool {
    active("redrive-out-of-order")
}

/// How long an answer of the registry is waited for: with the fault, as good as for ever.
pub(crate) fn registry_limit() -> Duration {
    if active("patient-registry") { Duration::from_secs(3600) } else { schema_registry::ANSWER }
}
