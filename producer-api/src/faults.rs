//! Deliberate defects behind the cargo feature `faults`, by which the tests of the whole system
//! prove that they would notice them. A build without the feature holds none.

/// Whether to answer before the delivery report (`ORDERFLOW_FAULT=ack-early`).
#[cfg(feature = "faults")]
pub(crate) fn ack_early() -> bool {
    use std::sync::LazyLock;
    static ACK_EARLY: LazyLock<bool> = LazyLock::new(|| {
        chassis::settings::optional("ORDERFLOW_FAULT").is_some_and(|fault| fault == "ack-early")
    });
    *ACK_EARLY
}

/// Never: this build holds no fault.
#[cfg(not(feature = "faults"))]
pub(crate) const fn ack_early() -> bool {
    false
}
