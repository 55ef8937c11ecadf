//! Faults that the proof tests put in, to see themselves fail. Does not exist in an ordinary build.

/// Whether a mail goes out before its ledger row is committed as `sending`.
#[cfg(feature = "faults")]
pub(crate) fn mail_before_ledger() -> bool {
    chassis::settings::optional("ORDERFLOW_FAULT").as_deref() == Some("mail-before-ledger")
}

/// Whether a mail goes out before its ledger row is committed as `sending`: never.
#[cfg(not(feature = "faults"))]
pub(crate) const fn mail_before_ledger() -> bool {
    false
}
