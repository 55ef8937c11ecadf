//! The command line of `mails`. Runs nothing.

use chrono::{DateTime, Utc};
use clap::{Subcommand, ValueEnum};
use uuid::Uuid;

use crate::ago::time;
use crate::audit::Actor;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Prints mails, the last first, and how many are in which state.
    #[command(after_help = "\
Examples:
  orderctl mails list
  orderctl mails list --state bounced --cause 5.7.1 --since 2h
  orderctl mails list --state sent --customer household-2375")]
    List(List),
    /// Prints all that is known of a mail, with its audit.
    #[command(after_help = "\
Example:
  orderctl mails show 0192f0c1-0000-7000-8000-000000000000")]
    Show(Show),
    /// Queues mails again that are unknown, or were given up or withheld.
    #[command(after_help = "\
Examples:
  orderctl mails resend --cause 5.7.1 --since 2h --reason 'relay was closed' --dry-run
  orderctl mails resend --state unknown --since 2026-01-31T08:00:00Z --rate 5 --reason 'ticket 4711'
  orderctl mails resend --id 0192f0c1-0000-7000-8000-000000000000 --reason 'the customer asked'

The couriers of confirmation-email send them, as fast as --rate says. What is unknown may have
arrived: look in the mail server's log for its Message-ID first. A mail that is sent or being sent is
left alone. Exits 1 when nothing fits.")]
    Resend(Resend),
    /// Records what became of mails that are unknown.
    #[command(after_help = "\
Examples:
  orderctl mails settle --id 0192f0c1-0000-7000-8000-000000000000 --as sent --reason 'in its log'
  orderctl mails settle --cause courier-gone --until 1d --as given-up --reason 'too late' --dry-run

Exits 1 when nothing fits.")]
    Settle(Settle),
}

/// Which mails.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct Which {
    /// Those about the outcome with this event id.
    #[arg(long, value_name = "EVENT-ID")]
    pub(super) id: Option<Uuid>,
    /// Those to this customer.
    #[arg(long, value_name = "ID")]
    pub(super) customer: Option<String>,
    /// Those about this order.
    #[arg(long, value_name = "ID")]
    pub(super) order: Option<Uuid>,
    /// Those with this cause: the server's status, such as 5.7.1, or a word of ours.
    #[arg(long, value_name = "CAUSE")]
    pub(super) cause: Option<String>,
    /// Those that are in their state since this time (RFC 3339), or for no longer than 90s, 45m, 2h, 3d.
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(super) since: Option<DateTime<Utc>>,
    /// Those that were in their state before this time.
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(super) until: Option<DateTime<Utc>>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct List {
    #[command(flatten)]
    pub(super) which: Which,
    /// In which state; may be repeated [default: bounced, unknown and withheld].
    #[arg(long)]
    pub(super) state: Vec<State>,
    /// So many lines.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(super) limit: u32,
}

/// What became of a mail so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum State {
    Queued,
    Sending,
    Sent,
    Bounced,
    Unknown,
    Withheld,
}

impl State {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Sending => "sending",
            Self::Sent => "sent",
            Self::Bounced => "bounced",
            Self::Unknown => "unknown",
            Self::Withheld => "withheld",
        }
    }
}

#[derive(Debug, clap::Args)]
pub(crate) struct Show {
    /// The event id of the outcome, as `mails list` prints it.
    #[arg(value_name = "EVENT-ID")]
    pub(super) id: Uuid,
    /// Print name and address, which are personal data.
    #[arg(long)]
    pub(super) with_personal_data: bool,
}

#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("what").required(true).multiple(true)
    .args(["id", "customer", "order", "cause", "since", "until", "state"]))]
pub(crate) struct Resend {
    #[command(flatten)]
    pub(super) which: Which,
    /// In which state; may be repeated [default: bounced and unknown].
    #[arg(long)]
    pub(super) state: Vec<Unsent>,
    /// Mails per second at most.
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(i32).range(1..=10_000))]
    pub(super) rate: i32,
    #[command(flatten)]
    pub(super) word: Word,
}

/// A state out of which a mail can be queued again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Unsent {
    Bounced,
    Unknown,
    Withheld,
}

impl Unsent {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Bounced => "bounced",
            Self::Unknown => "unknown",
            Self::Withheld => "withheld",
        }
    }
}

#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("what").required(true).multiple(true)
    .args(["id", "customer", "order", "cause", "since", "until"]))]
pub(crate) struct Settle {
    #[command(flatten)]
    pub(super) which: Which,
    /// What became of them.
    #[arg(long = "as")]
    pub(super) end: End,
    #[command(flatten)]
    pub(super) word: Word,
}

/// How an unknown mail ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum End {
    /// The mail server took it.
    Sent,
    /// It is not to be sent any more: counted as bounced.
    GivenUp,
}

/// An operator's word.
#[derive(Debug, clap::Args)]
pub(crate) struct Word {
    /// So many mails at most, the oldest first.
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(i64).range(1..=100_000))]
    pub(super) limit: i64,
    /// Why, for the audit.
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    pub(super) reason: String,
    /// Say what would be, and change nothing.
    #[arg(long)]
    pub(super) dry_run: bool,
    #[command(flatten)]
    pub(super) actor: Actor,
}

/// The audit keeps it for ever.
fn reason(text: &str) -> Result<String, &'static str> {
    let text: String = text.trim().chars().filter(|c| !c.is_control()).collect();
    if text.contains('@') {
        return Err("must name no address: the audit is kept for ever");
    }
    let fits = (1..=500).contains(&text.chars().count());
    fits.then_some(text).ok_or("must be 1 to 500 characters")
}
