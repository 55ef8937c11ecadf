//! The command line of `load`, and what it means. Runs nothing.

use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;

use crate::exit::Usage;

use super::client::ClientSettings;
use super::generated::{Generated, Shape};
use super::pace::Pace;
use super::source::{Slice, Source};

/// More than this at a time is no longer a load but a queue.
pub(crate) const IN_FLIGHT_MAX: usize = 20_000;
const EXAMPLES: &str = "\
Examples:
  orderctl load --orders 20000 --ledger ledger.jsonl    catalogue, stock, orders of the real year
  orderctl load --all                                   the whole year
  orderctl load orders --skip 20000 --orders 5000 --rate 2000 --cancel-share 0.03
  orderctl load --generated --seed 7 --skus 500 --zipf 1.1 --orders 100000

A rerun posts the same Idempotency-Keys and so adds nothing. The folder of --data is what
scripts/real-data writes. Exits 1 when anything failed or has an unknown outcome.";

/// What can be loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum What {
    /// The products that the orders ask for.
    Catalogue,
    /// Units for the shelf: a little less than the orders ask for.
    Stock,
    /// The orders.
    Orders,
}

/// Posts the catalogue, stock and orders of a source, and says how it went.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// What to load [default: all of it, in this order].
    pub(crate) what: Vec<What>,
    #[command(flatten)]
    source: SourceArgs,
    #[command(flatten)]
    slice: SliceArgs,
    #[command(flatten)]
    pace: PaceArgs,
    #[command(flatten)]
    client: ClientArgs,
    /// Share of the acknowledged orders that are cancelled at once; which ones, the seed decides.
    #[arg(long, value_name = "SHARE", default_value_t = 0.0, value_parser = share)]
    pub(crate) cancel_share: f64,
    /// Appends every acknowledged order to this file, as JSON lines.
    #[arg(long, value_name = "FILE")]
    pub(crate) ledger: Option<PathBuf>,
    /// Prints the result as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Source")]
struct SourceArgs {
    /// The folder of the real year.
    #[arg(long, value_name = "DIR", default_value = ".stack/cache/real-data")]
    data: PathBuf,
    /// Draws everything from the seed instead.
    #[arg(long)]
    generated: bool,
    /// Decides what is drawn.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// How many products there are.
    #[arg(long, value_name = "N", default_value_t = 5_000, requires = "generated", value_parser = at_least_one)]
    skus: usize,
    /// How many customers there are.
    #[arg(long, value_name = "N", default_value_t = 2_500, requires = "generated", value_parser = at_least_one)]
    customers: usize,
    /// How unevenly products and customers are drawn; 0 is evenly.
    #[arg(long, value_name = "A", default_value_t = 1.0, requires = "generated", value_parser = exponent)]
    zipf: f64,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Slice")]
struct SliceArgs {
    /// How many orders.
    #[arg(long, value_name = "N", default_value_t = 20_000, conflicts_with = "all")]
    orders: usize,
    /// How many orders of the source come before the first one.
    #[arg(long, value_name = "N", default_value_t = 0)]
    skip: usize,
    /// Every order of the source from there.
    #[arg(long)]
    all: bool,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Pace")]
struct PaceArgs {
    /// Open loop: starts so many a second, however slow the answers are. Latency counts from when a
    /// request was to start, also where it has to wait for a connection.
    #[arg(long, value_name = "N", value_parser = rate)]
    rate: Option<f64>,
    /// Requests at a time, each with a connection of its own: of a closed loop always, of an open one at
    /// most, as a pool has it [default: 64, with --rate as many as the process may have open].
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    concurrency: Option<usize>,
    /// As many as there is room for.
    #[arg(skip = IN_FLIGHT_MAX)]
    room: usize,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Server")]
struct ClientArgs {
    /// An instance of the producer-api; repeat it for several, which then take turns.
    #[arg(long = "api", value_name = "URL", default_value = "http://127.0.0.1:8080", value_parser = api)]
    apis: Vec<String>,
    /// Seconds after which an attempt counts as unanswered.
    #[arg(long, value_name = "S", default_value_t = 10.0, value_parser = seconds)]
    timeout: f64,
    /// Seconds for which a request is tried again, with the same key.
    #[arg(long, value_name = "S", default_value_t = 60.0, value_parser = seconds)]
    retry_for: f64,
}

impl Args {
    /// In the order in which they depend on one another.
    pub(crate) fn stages(&self) -> Vec<What> {
        let all = vec![What::Catalogue, What::Stock, What::Orders];
        let mut stages = if self.what.is_empty() { all } else { self.what.clone() };
        stages.sort_unstable();
        stages.dedup();
        stages
    }

    pub(crate) fn source(&self) -> Source {
        let SourceArgs { ref data, generated, seed, skus, customers, zipf } = self.source;
        match generated {
            true => Source::Generated(Generated::new(Shape { seed, skus, customers, zipf })),
            false => Source::Real(data.clone()),
        }
    }

    pub(crate) fn seed(&self) -> u64 {
        self.source.seed
    }

    /// Which orders of a source that has `all`.
    pub(crate) fn slice(&self, all: Option<usize>) -> anyhow::Result<Slice> {
        let SliceArgs { orders, skip: from, all: every } = self.slice;
        let to = match (every, all) {
            (true, Some(all)) => all,
            (true, None) => {
                Err(Usage("--all has no end with --generated: use --orders".to_owned()))?
            }
            (false, all) => from.saturating_add(orders).min(all.unwrap_or(usize::MAX)),
        };
        if from >= to {
            let there = all.map_or_else(String::new, |all| format!(" of {all} orders"));
            Err(Usage(format!("nothing is left{there} after --skip {from}")))?;
        }
        Ok(Slice { from, to })
    }

    pub(crate) fn pace(&self) -> Pace {
        self.pace.rate.map_or(Pace::Closed, Pace::Rate)
    }

    /// Requests under way at most.
    pub(crate) fn in_flight(&self) -> usize {
        let default = if self.pace.rate.is_some() { self.pace.room } else { 64 };
        self.pace.concurrency.unwrap_or(default).min(IN_FLIGHT_MAX)
    }

    /// Where there can be so many connections at a time: an open loop that was asked for no number is
    /// bounded by it, who was asked for more is refused.
    pub(crate) fn within(mut self, room: usize) -> Result<Self, Usage> {
        self.pace.room = room.max(1);
        let asked = self.in_flight();
        if asked > room {
            return Err(Usage(format!(
                "--concurrency {asked} needs more open files than this process may have \
                 (there is room for {room}): raise `ulimit -n`"
            )));
        }
        Ok(self)
    }

    pub(crate) fn client(&self) -> ClientSettings {
        ClientSettings {
            apis: self.client.apis.clone(),
            timeout: Duration::from_secs_f64(self.client.timeout),
            retry_for: Duration::from_secs_f64(self.client.retry_for),
            connections: self.in_flight(),
        }
    }
}

fn number(text: &str, fits: fn(f64) -> bool, expected: &str) -> Result<f64, String> {
    text.parse().ok().filter(|number| fits(*number)).ok_or_else(|| expected.to_owned())
}

fn share(text: &str) -> Result<f64, String> {
    number(text, |share| (0.0..=1.0).contains(&share), "a number from 0 to 1")
}

fn rate(text: &str) -> Result<f64, String> {
    number(text, |rate| (0.001..=1e6).contains(&rate), "a number from 0.001 to 1000000")
}

fn exponent(text: &str) -> Result<f64, String> {
    number(text, |zipf| (0.0..=5.0).contains(&zipf), "a number from 0 to 5")
}

fn seconds(text: &str) -> Result<f64, String> {
    number(text, |seconds| (0.001..=86_400.0).contains(&seconds), "seconds from 0.001 to 86400")
}

fn at_least_one(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| (1..=10_000_000).contains(number));
    number.ok_or_else(|| "a whole number from 1 to 10000000".to_owned())
}

fn api(text: &str) -> Result<String, String> {
    let url = reqwest::Url::parse(text)
        .map_err(|error| format!("a URL like http://host:8080 ({error})"))?;
    match url.scheme() {
        "http" | "https" => Ok(text.trim_end_matches('/').to_owned()),
        _ => Err("a URL like http://host:8080".to_owned()),
    }
}
