//! `verify`: folds the log from its beginning and compares it with Postgres, row for row. Written
//! from the events and the tables' documents, apart from the consumers' code. Repairs nothing.

mod analytics;
mod compare;
mod confirmation_email;
mod inventory;
mod ledger;
mod parked;
mod projection;
mod reading;
mod record;
mod refused;
mod report;
mod row;
mod shelf;
mod snapshot;
mod sorting;
mod spool;
mod story;

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod purged_tests;
#[cfg(test)]
mod put_aside_tests;
#[cfg(test)]
mod stranger_tests;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::BufReader;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::Context;
use sqlx::PgConnection;

use crate::database;
use crate::decoding::{self, Decoding};
use crate::exit::Outcome;
use crate::log::LogReader;
use crate::output;
use crate::schemas;

use ledger::{Ledger, Promise};
use projection::Projection;
use reading::Reading;
use report::Report;
use story::View;

/// What to verify.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  orderctl verify
  orderctl verify --projection inventory --projection analytics
  orderctl verify --ledger ledger.jsonl

The services may be running: every projection is compared at the positions it had reached when
the log had been read. DATABASE_URL is an administrator's. Exits 1 and names the rows when anything differs.")]
pub(crate) struct Args {
    /// Only this projection; may be repeated.
    #[arg(long, value_name = "NAME")]
    projection: Vec<Projection>,
    /// Also proves that the log has every acknowledged order of this file, which `load` wrote.
    #[arg(long, value_name = "FILE")]
    ledger: Option<PathBuf>,
}

/// Verifies, and prints what it found.
pub(crate) async fn run(args: Args) -> anyhow::Result<Outcome> {
    let mut ledger = args.ledger.as_ref().map(open_ledger).transpose()?;
    let projections = match args.projection.is_empty() {
        true => Projection::ALL.to_vec(),
        false => args.projection,
    };
    let mut decoding = Decoding::new(decoding::asking(schemas::registry()?));
    let reader = LogReader::from_env()?;
    let mut admin = database::connect().await?;
    let began = Instant::now();
    let mut reading = Reading::new(ledger.as_mut(), &projections);
    // A snapshot keeps every dead row of the database: while the log is read there is none.
    let parked = snapshot::parked(&mut admin, &projections, |name| reader.name(name)).await?;
    tokio::task::block_in_place(|| reading.catch_up(&reader, &mut decoding, &parked))?;

    let mut snapshot = snapshot::begin(&mut admin).await?;
    let mut stands = Vec::new();
    for projection in &projections {
        let stored = snapshot::read(&mut snapshot, *projection, &reader).await?;
        let stand = tokio::task::block_in_place(|| stored.decode(&mut decoding))?;
        stands.push((*projection, stand));
    }
    let parked = stands.iter().flat_map(|(_, stand)| stand.parked.keys()).copied().collect();
    tokio::task::block_in_place(|| {
        reading.read_on(&reader, &mut decoding, &parked)?;
        reading.look_again(&reader, &mut decoding, &parked)
    })?;
    reading.complete(&stands)?;
    let (records, story) = (reading.records, reading.story);
    output::line(format_args!("{records} records read in {:.1?}", began.elapsed()))?;

    let mut outcome = Outcome::Fine;
    for (projection, stand) in &stands {
        let view = View { story: &story, stand };
        let report = check(&mut snapshot, *projection, view).await?;
        outcome = outcome.and(report.print(&mut |line| output::line(line))?);
    }
    Ok(outcome.and(ledger.map_or(Ok(Outcome::Fine), report_ledger)?))
}

/// Compares every table of a projection.
async fn check(
    snapshot: &mut PgConnection,
    projection: Projection,
    view: View<'_>,
) -> anyhow::Result<Report> {
    let began = Instant::now();
    let mut report = Report::new(projection, view);
    for (table, expected) in projection.tables(view) {
        let compared =
            compare::compare(&mut *snapshot, projection.name(), &table, expected).await?;
        report.tables.push((table.name, compared));
    }
    view.story.whole()?;
    report.took = began.elapsed();
    Ok(report)
}

fn open_ledger(path: &PathBuf) -> anyhow::Result<Ledger> {
    let file = File::open(path);
    let file = file.with_context(|| format!("could not open the ledger {}", path.display()))?;
    Ledger::read(BufReader::new(file))
}

/// The acknowledged orders that the log lacks are named, as far as there are few.
fn report_ledger(ledger: Ledger) -> anyhow::Result<Outcome> {
    const NAMED_MAX: usize = 20;
    let acknowledged = ledger.acknowledged;
    let missing = ledger.missing();
    output::line(format_args!(
        "\nledger\n  {acknowledged} acknowledged, {} of them missing from the log",
        missing.len()
    ))?;
    let outcome = if missing.len() == 0 { Outcome::Fine } else { Outcome::Differs };
    for Promise { place, order_id, kind } in missing.take(NAMED_MAX) {
        let kind = kind.name();
        output::line(format_args!("  missing: {kind} of order {order_id} at {place}"))?;
    }
    Ok(outcome)
}
