//! Faults that the proof tests put in, to see themselves fail. None of them exists in an ordinary build.

use std::time::Duration;

use chassis::faults::active;

/// Whether a mail goes out before its ledger row is committed as `sending`.
pub(crate) fn mail_before_ledger() -> bool {
    active("mail-before-ledger")
}

/// How long an answer of the mail server is waited for: with the fault, as good as for ever.
pub(crate) fn patience(set: Duration) -> Duration {
    if active("patient-mailer") { Duration::from_secs(3600) } else { set }
}
