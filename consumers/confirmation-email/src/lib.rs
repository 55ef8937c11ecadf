#![doc = include_str!("../README.md")]

#[cfg(test)]
mod addresses_tests;
mod attempt;
pub mod authorities;
mod claim;
mod connecting;
pub mod courier;
mod decide;
mod evidence;
mod isolate;
mod letter;
mod mailer;
mod metrics;
mod money;
mod post;
mod projection;
mod reply;
mod rounds;
pub mod settings;
mod smtp;
mod store;
mod template;
mod verdict;
mod words;

pub use projection::{ConfirmationEmail, MIGRATIONS, TABLES};
