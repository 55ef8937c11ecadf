//! What the system tests need: the stack, a deployment of its own per test, real processes, and
//! verbs to use them as a client does. Asserts nothing about the system: the tests do.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a harness that cannot go on has failed the test"
)]

mod check;
mod deployment;
mod draw;
mod http;
mod kafka;
mod mails;
mod ports;
mod process;
mod servers;
mod shop;
mod stack;
mod template;

pub use check::{Violation, ensure};
pub use deployment::{Answer, CONSUMERS, Deployment, programs};
pub use draw::Draw;
pub use http::client;
pub use kafka::HeldBrokers;
pub use mails::Mails;
pub use process::{Service, Spec};
pub use servers::{Servers, python_tool};
pub use shop::{Order, Placed, Shop};
pub use stack::Stack;
pub use waiting::{found_within, holds_within};
