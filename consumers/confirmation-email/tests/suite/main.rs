//! What is promised of the mails, against a real Postgres and a real SMTP conversation. Tests no
//! pure function: those have their tests beside them.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod certificates;
mod conformance;
mod courier;
mod encryption;
mod ledger;
mod login;
mod logins;
mod odd_replies;
mod rate;
mod refused_by_all;
mod silence;
mod silent_ledger;
mod smtp_server;
mod too_old;
mod world;
