#![doc = include_str!("../README.md")]

pub mod backoff;
mod claim;
pub mod courier;
mod decide;
mod faults;
mod letter;
mod mailer;
mod metrics;
mod money;
mod post;
mod projection;
mod reply;
mod rounds;
pub mod settings;
mod store;
mod template;
mod tls;
mod verdict;
mod words;

pub use projection::{ConfirmationEmail, MIGRATIONS};
