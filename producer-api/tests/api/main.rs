//! The service over real HTTP, before librdkafka's mock cluster and a stand-in for the registry.
//! What only a real broker can show is proved by the tests of the whole system.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

mod catalogue;
mod document;
mod front;
mod harness;
mod orders;
mod outages;
mod overload;
mod refused_retries;
mod requests;
