//! `summary`: what became of the orders, from the projections and a load's ledger. Checks nothing
//! against the log: see `verify`.

mod backlog;
mod facts;
mod ledger;
mod report;
mod visible;

use std::path::PathBuf;
use std::time::Duration;

use chassis::settings;

use crate::exit::Outcome;
use crate::{database, output};

use facts::Summary;

/// Tells what became of the orders.
///
/// Reads every projection with DATABASE_URL, an administrator's; asks the mail sink at MAIL_API_URL
/// for what it accepted, where that is set.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  orderctl summary --wait 120 --ledger ledger.jsonl")]
pub(crate) struct Args {
    /// First waits so many seconds at most until every projection has read the log to its end and
    /// no mail is waiting; exits 1 when the time is up, and says what is behind.
    #[arg(long, value_name = "SECONDS")]
    wait: Option<u64>,
    /// The ledger of `orderctl load`: how soon its orders were visible.
    #[arg(long, value_name = "FILE")]
    ledger: Option<PathBuf>,
    /// Prints JSON.
    #[arg(long)]
    json: bool,
}

/// Waits where it is asked to, then tells.
pub(crate) async fn run(args: Args) -> anyhow::Result<Outcome> {
    let mut database = database::connect().await?;
    if let Some(seconds) = args.wait {
        let left = backlog::wait(&mut database, Duration::from_secs(seconds)).await?;
        if let Some(left) = left {
            output::line(format_args!("after {seconds} s not caught up: {left}"))?;
            return Ok(Outcome::Differs);
        }
    }
    let mut summary = Summary::read(&mut database).await?;
    if let Some(path) = &args.ledger {
        summary.run = visible::read(&mut database, &ledger::read(path)?).await?;
    }
    if let Some(api) = settings::optional("MAIL_API_URL") {
        summary.mail_server = Some(facts::mail_server(&api).await?);
    }
    match args.json {
        true => output::line(serde_json::to_string(&summary)?)?,
        false => output::line(&summary)?,
    }
    Ok(Outcome::Fine)
}
