//! `load`: posts the catalogue, stock and orders, and says how it went. Checks no projection: see
//! `verify`.

mod args;
mod client;
mod contact;
mod draw;
mod drive;
mod generated;
mod open_files;
mod pace;
mod progress;
mod report;
mod request;
mod source;
mod tally;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::exit::{Interrupted, Outcome};
use crate::output;

use crate::ledger::Ledger;
pub(crate) use args::Args;
use args::{IN_FLIGHT_MAX, What};
use client::Client;
use draw::Draw;
use drive::Run;
use progress::Progress;
use report::Report;
use request::Job;
use source::{Rows, Slice, Source};

/// Runs the load; what failed or has an unknown outcome makes it differ.
pub(crate) async fn run(args: Args) -> anyhow::Result<Outcome> {
    let args = args.within(open_files::room_for(IN_FLIGHT_MAX))?;
    let source = args.source();
    let slice = args.slice(source.orders_in_all()?)?;
    let stop = CancellationToken::new();
    tokio::spawn(stop_on_interrupt(stop.clone()));
    // All of it is opened before anything is sent: a missing file is no reason to stop half-way.
    let stages = args.stages().into_iter().map(|what| Stage::open(&args, &source, slice, what));
    let stages = stages.collect::<anyhow::Result<Vec<_>>>()?;
    let mut reports = Vec::new();
    for stage in stages {
        reports.push(stage.run(&args, &stop).await?);
        if !args.json {
            reports.last().map_or(Ok(()), output::line)?;
        }
        if stop.is_cancelled() {
            break;
        }
    }
    if args.json {
        output::line(serde_json::to_string(&reports)?)?;
    }
    if stop.is_cancelled() {
        let done = "what was under way is finished and counted above";
        return Err(Interrupted(done.to_owned()).into());
    }
    let clean = reports.iter().all(Report::clean);
    Ok(if clean { Outcome::Fine } else { Outcome::Differs })
}

/// One kind of what is loaded.
struct Stage {
    what: What,
    jobs: Rows<Job>,
    total: usize,
    ledger: Option<Ledger>,
}

impl Stage {
    fn open(args: &Args, source: &Source, slice: Slice, what: What) -> anyhow::Result<Self> {
        let (jobs, total) = jobs(args, source, slice, what)?;
        let ledger = args.ledger.as_deref().filter(|_| what == What::Orders);
        Ok(Self { what, jobs, total, ledger: ledger.map(Ledger::open).transpose()? })
    }

    /// Loads it to its end.
    async fn run(self, args: &Args, stop: &CancellationToken) -> anyhow::Result<Report> {
        let run = Arc::new(Run::new(Client::new(args.client())?, self.ledger, stop.clone())?);
        let progress = Progress::start(self.what.name(), &run, self.total as u64);
        let driven =
            drive::drive(&run, pace::start(self.jobs, args.pace()), args.in_flight()).await;
        drop(progress);
        driven?;
        Ok(Report::of(self.what.name(), &run.sums()))
    }
}

/// What is to be posted, and how much it is.
fn jobs(
    args: &Args,
    source: &Source,
    slice: Slice,
    what: What,
) -> anyhow::Result<(Rows<Job>, usize)> {
    match what {
        What::Catalogue => {
            let products = source.products(slice)?;
            let total = products.len();
            Ok((Box::new(products.into_iter().map(|row| Ok(request::product(&row)?))), total))
        }
        What::Stock => {
            let stock = source.stock(slice)?;
            let (total, key) = (stock.len(), source.stock_key(slice));
            Ok((Box::new(stock.into_iter().map(move |row| Ok(request::stock(&row, &key)?))), total))
        }
        What::Orders => {
            let (seed, share) = (args.seed(), args.cancel_share);
            let orders = source.baskets(slice)?.map(move |basket| {
                let basket = basket?;
                let cancel =
                    Draw::new(seed, &format!("cancel {}", basket.basket)).fraction() < share;
                Ok(request::order(basket, cancel)?)
            });
            Ok((Box::new(orders), slice.len()))
        }
    }
}

impl What {
    fn name(self) -> &'static str {
        match self {
            Self::Catalogue => "catalogue",
            Self::Stock => "stock",
            Self::Orders => "orders",
        }
    }
}

/// The first Ctrl-C finishes what is under way; the second one ends the process as ever.
async fn stop_on_interrupt(stop: CancellationToken) {
    if tokio::signal::ctrl_c().await.is_ok() {
        eprintln!("stopping: waiting for the answers under way (Ctrl-C again to give up)");
        stop.cancel();
        if tokio::signal::ctrl_c().await.is_ok() {
            std::process::exit(130);
        }
    }
}
