//! One file per promise, on real servers: run by `scripts/test`. See docs/testing.md.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

mod bench;
mod clients;
mod defects;
mod delisting;
mod drain;
mod fencing;
mod gap;
mod load;
mod mail_ledger;
mod odd_records;
mod openapi;
mod operations;
mod order_flow;
mod outage;
mod parked;
mod position;
mod rebalance;
mod redrive;
mod registry_down;
mod replay;
mod roles;
mod slow_clients;
mod storm;
mod verify;
