//! One command for operators and analysts. Each verb is a module; none knows another.

mod ago;
mod audit;
mod cli;
mod database;
mod decoding;
mod exit;
mod ledger;
mod load;
mod log;
mod mails;
mod output;
mod parked;
mod positions;
mod progress;
mod projection;
mod replay;
mod schemas;
mod shown;
mod summary;
#[cfg(test)]
mod testing;
mod topics;
mod verify;

use std::process::ExitCode;

use clap::Parser;
use tracing_subscriber::Layer;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Reads the command line, runs the verb, and says in the exit code how it ended.
pub fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    start_logs();
    match block_on(cli) {
        Ok(outcome) => outcome.code(),
        Err(error) => exit::report(&error),
    }
}

#[tokio::main]
async fn block_on(cli: cli::Cli) -> anyhow::Result<exit::Outcome> {
    cli.command.run().await
}

/// Logs go to standard error: standard output is the answer, and is often piped.
fn start_logs() {
    // librdkafka logs every broken connection; an error that matters is reported by the verb.
    let filter = chassis::telemetry::filter("warn,librdkafka=off,rdkafka=off");
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).without_time();
    let _ = tracing_subscriber::registry().with(lines.with_filter(filter)).try_init();
}
