//! The metrics of this service, by name. Measures nothing by itself.

use std::time::Duration;

use metrics::{counter, gauge, histogram};

use crate::claim::Fate;

/// Mails by what became of an attempt: sent, bounced, deferred, unknown, withheld, returned, held;
/// reprieved where one had bounced by mistake.
const MAILS: &str = "orderflow_mails_total";
/// From the first command of a mail to the server's last word on it.
const SEND_SECONDS: &str = "orderflow_mail_send_seconds";
/// Connections made to the mail server.
const CONNECTIONS: &str = "orderflow_smtp_connections_total";
/// 1 while the mail server is taken to be away.
const AWAY: &str = "orderflow_smtp_away";
/// Mails that wait to be sent.
const QUEUED: &str = "orderflow_mails_queued";
/// How long the oldest of them has waited.
const QUEUED_SECONDS: &str = "orderflow_mails_queued_oldest_seconds";

pub(crate) fn settled(fate: Fate) {
    counter!(MAILS, "outcome" => fate.outcome()).increment(1);
}

pub(crate) fn expired(count: u64) {
    counter!(MAILS, "outcome" => Fate::Unknown.outcome()).increment(count);
}

pub(crate) fn reprieved(count: u64) {
    counter!(MAILS, "outcome" => "reprieved").increment(count);
}

pub(crate) fn handed_over(took: Duration) {
    histogram!(SEND_SECONDS).record(took);
}

pub(crate) fn connected() {
    counter!(CONNECTIONS).increment(1);
}

pub(crate) fn away(away: bool) {
    gauge!(AWAY).set(if away { 1.0 } else { 0.0 });
}

pub(crate) fn backlog(count: i64, oldest_seconds: f64) {
    gauge!(QUEUED).set(count as f64);
    gauge!(QUEUED_SECONDS).set(oldest_seconds);
}
