//! The command line of `positions`. Runs nothing.

use std::str::FromStr;

use clap::Subcommand;
use events_schema::Topic;
use kafka_client::LogState;

use crate::audit::Actor;
use crate::exit::Usage;
pub(crate) use crate::projection::Projection;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Prints where every projection stands; exits 1 where a position does not fit the log.
    #[command(after_help = "Example:\n  orderctl positions show --projection inventory")]
    Show {
        /// Only this projection; may be repeated.
        #[arg(long, value_name = "NAME")]
        projection: Vec<Projection>,
    },
    /// Moves a position that does not fit the log, and says what is skipped by it.
    #[command(after_help = "\
Examples:
  orderctl positions ack-gap --projection inventory --topic orders --partition 3 --to beginning
  orderctl positions ack-gap --projection analytics --topic orders --partition 3 --to 120 --yes

Without --yes it only says what would be. A position that fits is refused (exit 2). What is skipped
is not in the projection for ever; verify goes on to name it. The workers go on within seconds.")]
    AckGap(Move),
    /// Moves a position that fits the log, and says what is skipped or read again by it.
    #[command(after_help = "\
Example:
  orderctl positions set --projection analytics --topic orders --partition 3 --to 120 --yes

For a record that a defect of ours lets stop its partition. What is skipped is not in the projection
for ever; what is read again counts once. Without --yes it only says what would be.")]
    Set(Move),
    /// Lets a tripped partition park what fails, up to an offset.
    #[command(after_help = "\
Example:
  orderctl positions admit --projection inventory --topic orders --partition 3 --until end --yes

For records that are really bad, and so many that no good one comes in between. Without --yes it only
says what would be.")]
    Admit(Admit),
    /// Says where a projection begins that has no position yet while the log has a past.
    #[command(after_help = "\
Examples:
  orderctl positions start --projection inventory --at beginning
  orderctl positions start --projection confirmation-email --at end --yes

At the beginning all that the log holds is applied, with what follows: orders are decided, mails sent
(not those older than MAIL_MAX_AGE). At the end it is skipped for ever. An empty log needs no word.
Without --yes it only says what would be. One that has begun is passed over, and where it is named,
refused (exit 2).")]
    Start(Start),
}

/// Which projections, and where they begin.
#[derive(Debug, clap::Args)]
pub(crate) struct Start {
    /// Only this projection; may be repeated.
    #[arg(long, value_name = "NAME")]
    pub(super) projection: Vec<Projection>,
    /// Before the first record that there is, or behind the last one.
    #[arg(long, value_name = "beginning|end")]
    pub(super) at: To,
    /// Do it.
    #[arg(long)]
    pub(super) yes: bool,
    #[command(flatten)]
    pub(super) actor: Actor,
}

/// Which position.
#[derive(Debug, clap::Args)]
pub(crate) struct Place {
    /// Whose position.
    #[arg(long, value_name = "NAME")]
    pub(super) projection: Projection,
    /// Of which topic: orders, products, stock.
    #[arg(long, value_name = "TOPIC", value_parser = topic)]
    pub(super) topic: Topic,
    /// Of which partition.
    #[arg(long, value_name = "P", value_parser = clap::value_parser!(i32).range(0..))]
    pub(super) partition: i32,
}

/// Which position, and where it is to go on.
#[derive(Debug, clap::Args)]
pub(crate) struct Move {
    #[command(flatten)]
    pub(super) place: Place,
    /// Where to go on: the first record that there is, behind the last one, or at this offset.
    #[arg(long, value_name = "beginning|end|OFFSET")]
    pub(super) to: To,
    /// Do it.
    #[arg(long)]
    pub(super) yes: bool,
    #[command(flatten)]
    pub(super) actor: Actor,
}

/// Which position, and up to where it may park.
#[derive(Debug, clap::Args)]
pub(crate) struct Admit {
    #[command(flatten)]
    pub(super) place: Place,
    /// Below which offset.
    #[arg(long, value_name = "end|OFFSET")]
    pub(super) until: To,
    /// Do it.
    #[arg(long)]
    pub(super) yes: bool,
    #[command(flatten)]
    pub(super) actor: Actor,
}

/// Where to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum To {
    Beginning,
    End,
    Offset(i64),
}

impl FromStr for To {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let offset = || text.parse().ok().filter(|offset| *offset >= 0).map(Self::Offset);
        match text {
            "beginning" => Ok(Self::Beginning),
            "end" => Ok(Self::End),
            _ => offset().ok_or("must be beginning, end or an offset"),
        }
    }
}

impl To {
    /// The offset; one that the log does not have would be the next gap.
    pub(super) fn within(self, log: &LogState) -> Result<i64, Usage> {
        let LogState { start, end, .. } = *log;
        match self {
            Self::Beginning => Ok(start),
            Self::End => Ok(end),
            Self::Offset(offset) if (start..=end).contains(&offset) => Ok(offset),
            Self::Offset(offset) => Err(Usage(format!(
                "--to {offset} is not in the log, which has {start} to {end} there"
            ))),
        }
    }
}

fn topic(text: &str) -> Result<Topic, String> {
    let known = Topic::ALL.map(Topic::name);
    Topic::from_name(text).ok_or_else(|| format!("must be one of {}", known.join(", ")))
}
