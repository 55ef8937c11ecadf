//! A database that falls silent between two words of an operator: none waits for ever.

use clap::Parser;
use futures::future::join_all;
use relay::{Ending, Relay};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions};

use super::*;
use crate::testing::RUNTIME;

#[derive(Parser)]
enum Line {
    #[command(subcommand)]
    Parked(crate::parked::Command),
    #[command(subcommand)]
    Mails(crate::mails::Command),
}

/// What an operator says, and at which of its statements the database falls silent.
const LINES: [(&str, &str); 14] = [
    ("parked list --projection confirmation-email", "audit LIMIT 1"),
    ("parked list --projection confirmation-email", "first_value"),
    ("parked show --projection confirmation-email 1", "FROM parked"),
    ("parked redrive --projection confirmation-email --all", "LOCK TABLE"),
    ("parked redrives --projection confirmation-email", "next_step_at"),
    ("parked redrives --projection confirmation-email --follow 1", "next_step_at"),
    ("parked redrives --projection confirmation-email --cancel 1", "UPDATE redrives"),
    ("parked discard --projection confirmation-email --id 1 --reason test", "FOR UPDATE"),
    ("parked release --projection confirmation-email --id 1", "COMMIT"),
    ("parked purge --projection confirmation-email --id 1 --reason test", "DELETE FROM parked"),
    ("mails list", "FROM mails"),
    ("mails show 00000000-0000-0000-0000-000000000001", "FROM mails"),
    ("mails resend --state unknown --reason test", "FROM mails"),
    ("mails settle --since 1d --as sent --reason test", "BEGIN"),
];

async fn run((line, silent_at): (&str, &str), options: &PgConnectOptions) -> anyhow::Error {
    let server = format!("{}:{}", options.get_host(), options.get_port());
    let relay = Relay::to(&server).await;
    let options = options.clone().host("127.0.0.1").port(relay.address().port());
    let mut admin = options.connect().await.unwrap();
    relay.lose_the_answer_to(silent_at.as_bytes(), Ending::Silence);
    let words = Line::try_parse_from(["orderctl"].into_iter().chain(line.split(' ')));
    let ended = match words.unwrap() {
        Line::Parked(command) => command.run_as(&mut admin).await,
        Line::Mails(command) => command.run_as(&mut admin).await,
    };
    ended.expect_err(line)
}

#[sqlx::test(migrations = false)]
async fn no_word_of_an_operator_waits_for_a_silent_database_for_ever(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let mut admin = options.connect().await.unwrap();
    let schema = "CREATE SCHEMA \"confirmation-email\"; SET search_path = \"confirmation-email\"";
    for statements in [schema, RUNTIME] {
        sqlx::raw_sql(AssertSqlSafe(statements)).execute(&mut admin).await.unwrap();
    }
    let silent = join_all(LINES.map(|line| run(line, &options)));
    let silent = tokio::time::timeout(ANSWER * 3, silent).await.expect("somebody waits");
    for error in silent {
        assert!(format!("{error:#}").contains("timed out"), "{error:#}");
    }
}
