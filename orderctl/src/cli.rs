//! The tree of verbs. What a verb does is in the module of its name.

use clap::{Parser, Subcommand};

use crate::exit::Outcome;
use crate::{
    audit, database, load, mails, parked, positions, replay, schemas, summary, topics, verify,
};

const EXITS: &str = "\
Exit codes:
  0    done; nothing differs
  1    something differs or a check failed; it is named
  2    the command line or an environment variable is wrong
  3    the log no longer, or not yet, holds what was asked for
  4    a server is away or refused; nothing can be said
  130  interrupted by Ctrl-C; what was under way is finished

Servers are named by KAFKA_BOOTSTRAP_SERVERS, KAFKA_PREFIX, SCHEMA_REGISTRY_URL and DATABASE_URL.";

/// Sets up, watches and explains an Orderflow deployment.
#[derive(Debug, Parser)]
#[command(version, after_help = EXITS)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Roles and schemas in Postgres.
    #[command(subcommand)]
    Database(database::Command),
    /// Topics in Kafka.
    #[command(subcommand)]
    Topics(topics::Command),
    /// Schemas in the registry.
    #[command(subcommand)]
    Schemas(schemas::Command),
    /// Where the projections stand in the log.
    #[command(subcommand)]
    Positions(positions::Command),
    /// What the projections could not apply.
    #[command(subcommand)]
    Parked(parked::Command),
    /// What became of the mails.
    #[command(subcommand)]
    Mails(mails::Command),
    /// Who did what to positions, parked records and mails.
    Audit(audit::Args),
    /// Prints topics as JSON lines.
    Replay(replay::Args),
    /// Proves that the log explains every row of the projections.
    Verify(verify::Args),
    /// Posts orders at a rate and says how it went.
    Load(Box<load::Args>),
    /// What became of the orders.
    Summary(summary::Args),
}

impl Command {
    pub(crate) async fn run(self) -> anyhow::Result<Outcome> {
        match self {
            Self::Database(command) => command.run().await,
            Self::Topics(command) => command.run().await,
            Self::Schemas(command) => command.run().await,
            Self::Positions(command) => command.run().await,
            Self::Parked(command) => command.run().await,
            Self::Mails(command) => command.run().await,
            Self::Audit(args) => audit::run(args).await,
            Self::Replay(args) => replay::run(args).await,
            Self::Verify(args) => verify::run(args).await,
            Self::Load(args) => load::run(*args).await,
            Self::Summary(args) => summary::run(args).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_tree_of_verbs_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_help_of_every_verb_has_an_example() {
        fn check(command: &clap::Command, path: &str) {
            let leaf = command.get_subcommands().next().is_none();
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(!leaf || help.contains("Example"), "`{path}` has no example");
            for verb in command.get_subcommands() {
                check(verb, &format!("{path} {}", verb.get_name()));
            }
        }
        check(&Cli::command(), "orderctl");
    }
}
