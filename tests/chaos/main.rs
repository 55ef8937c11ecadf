//! Fault by fault against every invariant, with real processes and real servers: see scripts/chaos.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a run that cannot go on is a red row, and the table is what it is for"
)]

#[path = "../storm/checks.rs"]
mod checks;
mod command;
mod faults;
mod invariants;
mod proof;
mod replica;
mod run;
mod serving;
mod table;
mod world;

#[tokio::main]
async fn main() -> std::process::ExitCode {
    command::run().await
}
