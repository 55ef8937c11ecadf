//! Deliberate defects behind the cargo feature `faults`, by which the tests of the whole system
//! prove that they would notice them. A build without the feature holds none.

/// Whether to answer before the delivery report.
pub(crate) fn ack_early() -> bool {
    chassis::faults::active("ack-early")
}
