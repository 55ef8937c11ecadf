//! The command line of `parked`. Runs nothing.

use chrono::{DateTime, Utc};
use clap::{Subcommand, ValueEnum};

use crate::ago::ago;
use crate::audit::Actor;
use crate::projection::Projection;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Prints what is parked: one line per subject, with its first record and how many wait behind.
    #[command(after_help = "\
Examples:
  orderctl parked list
  orderctl parked list --projection inventory --cause undecodable --limit 20
  orderctl parked list --state quarantined")]
    List(List),
    /// Prints all that is known of one record, with its audit.
    #[command(after_help = "Example:\n  orderctl parked show --projection inventory 17")]
    Show(Show),
    /// Has the projection apply parked records again, in order.
    #[command(after_help = "\
Examples:
  orderctl parked redrive --projection inventory --order 0192f0c1-0000-7000-8000-000000000000
  orderctl parked redrive --projection inventory --cause unknown-event-type --dry-run
  orderctl parked redrive --projection inventory --all --rate 100

A running process of the projection does it, in transactions of its own; orderctl only asks and
watches. Exits 0 when all was applied, 1 when something failed or was left alone, 4 when nobody took
it up within a minute: the request stays. A dry run decides, and changes nothing.")]
    Redrive(Redrive),
    /// Prints the redrives of a projection, follows one, or cancels one.
    #[command(after_help = "\
Examples:
  orderctl parked redrives --projection inventory
  orderctl parked redrives --projection inventory --follow 3
  orderctl parked redrives --projection inventory --cancel 3")]
    Redrives(Redrives),
    /// Gives records up for good: they are never applied, and nothing waits behind them any more.
    #[command(after_help = "\
Examples:
  orderctl parked discard --projection inventory --id 17 --reason 'a test message' --dry-run
  orderctl parked discard --projection inventory --cause undecodable --reason 'ticket 4711'

What waits behind a discarded record stays parked; redrive it. The rows stay, and verify counts them.")]
    Discard(Discard),
    /// Lets quarantined records be redriven again.
    #[command(after_help = "Example:\n  orderctl parked release --projection inventory --id 17")]
    Release(Release),
    /// Removes the rows of records that were discarded.
    #[command(after_help = "\
Examples:
  orderctl parked purge --projection inventory --older-than 30d --reason 'ticket 4711' --dry-run
  orderctl parked purge --projection inventory --topic stock --cause undecodable --reason 'a flood'

The audit keeps which records they were, for verify and for clients, who are told as before that they
were given up. Their bytes are left in the log and, for 90 days, in the dead-letter topic. Ctrl-C ends
it after the batch under way.")]
    Purge(Purge),
}

/// Which records.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct Which {
    /// Those of this order or SKU.
    #[arg(long, visible_alias = "order", value_name = "ID")]
    pub(super) subject: Option<String>,
    /// Those with this cause.
    #[arg(long, value_name = "CAUSE")]
    pub(super) cause: Option<String>,
    /// The one with this number.
    #[arg(long, value_name = "N")]
    pub(super) id: Option<i64>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct List {
    /// Only of this projection; may be repeated.
    #[arg(long, value_name = "NAME")]
    pub(super) projection: Vec<Projection>,
    #[command(flatten)]
    pub(super) which: Which,
    /// In which state [default: parked and quarantined].
    #[arg(long)]
    pub(super) state: Vec<State>,
    /// So many lines of each projection.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(super) limit: u32,
}

/// What became of a parked record so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum State {
    Parked,
    Quarantined,
    Discarded,
}

impl State {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Parked => "parked",
            Self::Quarantined => "quarantined",
            Self::Discarded => "discarded",
        }
    }
}

#[derive(Debug, clap::Args)]
pub(crate) struct Show {
    /// Whose record.
    #[arg(long, value_name = "NAME")]
    pub(super) projection: Projection,
    /// Its number, as `parked list` prints it.
    #[arg(value_name = "N")]
    pub(super) id: i64,
    /// Print key, value and headers, which may hold personal data.
    #[arg(long)]
    pub(super) with_personal_data: bool,
}

#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("what").required(true).multiple(false)
    .args(["subject", "cause", "id", "all"]))]
pub(crate) struct Redrive {
    /// Whose records; no other projection sees them.
    #[arg(long, value_name = "NAME")]
    pub(super) projection: Projection,
    #[command(flatten)]
    pub(super) which: Which,
    /// Everything that is parked.
    #[arg(long)]
    pub(super) all: bool,
    /// Decide, say what would be, and change nothing.
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Records per second at most.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(1..))]
    pub(super) rate: Option<i32>,
    /// Ask, and do not wait for the end.
    #[arg(long)]
    pub(super) no_wait: bool,
    #[command(flatten)]
    pub(super) actor: Actor,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Redrives {
    /// Whose redrives.
    #[arg(long, value_name = "NAME")]
    pub(super) projection: Projection,
    /// Wait for the end of this one.
    #[arg(long, value_name = "ID", conflicts_with = "cancel")]
    pub(super) follow: Option<i64>,
    /// End this one before its time; what was applied stays applied.
    #[arg(long, value_name = "ID")]
    pub(super) cancel: Option<i64>,
    #[command(flatten)]
    pub(super) actor: Actor,
}

#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("what").required(true).multiple(false)
    .args(["subject", "cause", "id"]))]
pub(crate) struct Discard {
    /// Whose records.
    #[arg(long, value_name = "NAME")]
    pub(super) projection: Projection,
    #[command(flatten)]
    pub(super) which: Which,
    /// Why, for the audit.
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    pub(super) reason: String,
    /// Say what would be, and change nothing.
    #[arg(long)]
    pub(super) dry_run: bool,
    #[command(flatten)]
    pub(super) actor: Actor,
}

#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("what").required(true).multiple(false)
    .args(["subject", "cause", "id"]))]
pub(crate) struct Release {
    /// Whose records.
    #[arg(long, value_name = "NAME")]
    pub(super) projection: Projection,
    #[command(flatten)]
    pub(super) which: Which,
    #[command(flatten)]
    pub(super) actor: Actor,
}

#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("what").required(true).multiple(true)
    .args(["subject", "cause", "id", "topic", "parked_before"]))]
pub(crate) struct Purge {
    /// Whose rows.
    #[arg(long, value_name = "NAME")]
    pub(super) projection: Projection,
    #[command(flatten)]
    pub(super) which: Which,
    /// Those of this topic, with or without KAFKA_PREFIX.
    #[arg(long, value_name = "TOPIC")]
    pub(super) topic: Option<String>,
    /// Those that parked longer ago than this: 90s, 45m, 2h, 30d.
    #[arg(long = "older-than", value_name = "TIME", value_parser = ago)]
    pub(super) parked_before: Option<DateTime<Utc>>,
    /// In which state: what may still be applied is never removed.
    #[arg(long, default_value = "discarded")]
    pub(super) state: Settled,
    /// Rows per second at most.
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(super) rate: u32,
    /// Why, for the audit.
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    pub(super) reason: String,
    /// Say what would be, and change nothing.
    #[arg(long)]
    pub(super) dry_run: bool,
    #[command(flatten)]
    pub(super) actor: Actor,
}

/// A state in which nothing is to become of a record any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Settled {
    Discarded,
}

impl Settled {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Discarded => State::Discarded.word(),
        }
    }
}

fn reason(text: &str) -> Result<String, &'static str> {
    let text: String = text.trim().chars().filter(|c| !c.is_control()).collect();
    let fits = (1..=500).contains(&text.chars().count());
    fits.then_some(text).ok_or("must be 1 to 500 characters")
}
