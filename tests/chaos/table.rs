//! The table: faults down, invariants across. Decides nothing.

use std::path::Path;
use std::process::Command;

use crate::invariants::{Cell, Invariant};
use crate::run::{Plan, Row};

const BEGIN: &str = "<!-- chaos: written by scripts/chaos --write -->";
const END: &str = "<!-- chaos: end -->";

/// A row for people who wait: its red cells in full.
pub(crate) fn line(row: &Row) -> String {
    match row {
        Row::NotHere { fault, why } => format!("{}: not possible here: {why}", fault.name()),
        Row::Broken { fault, why } => format!("{}: RED, the run broke: {why}", fault.name()),
        Row::Ran { fault, cells, seconds } => {
            let reds = cells.iter().filter_map(|(invariant, cell)| {
                let Some(Err(why)) = cell else { return None };
                let why: String = why.chars().take(600).collect();
                Some(format!("\n    RED {}: {}", invariant.head(), why.replace('\n', " ")))
            });
            let reds: String = reds.collect();
            format!(
                "{}: {seconds:.0} s{}",
                fault.name(),
                if reds.is_empty() { ", green" } else { &reds }
            )
        }
    }
}

/// All rows as Markdown.
pub(crate) fn whole(rows: &[Row]) -> String {
    let heads: Vec<&str> = Invariant::ALL.into_iter().map(Invariant::head).collect();
    let mut text =
        format!("| fault | {} |\n|---|{}\n", heads.join(" | "), "---|".repeat(heads.len()));
    for row in rows {
        let said = match row {
            Row::NotHere { why, .. } => format!("not possible here: {why}"),
            Row::Broken { .. } => "RED: the run broke".to_owned(),
            Row::Ran { cells, .. } => {
                cells.iter().map(|(_, cell)| short(cell)).collect::<Vec<_>>().join(" | ")
            }
        };
        text += &format!("| `{}` | {said} |\n", row.name());
    }
    text
}

fn short(cell: &Cell) -> &str {
    match cell {
        None => "–",
        Some(Ok(good)) => good,
        Some(Err(_)) => "RED",
    }
}

/// Replaces what stands between the markers of the document.
pub(crate) fn write(file: &Path, plan: &Plan, rows: &[Row]) {
    let text = std::fs::read_to_string(file).unwrap();
    let (before, rest) = text.split_once(BEGIN).unwrap();
    let (_, after) = rest.split_once(END).unwrap();
    let date = Command::new("date").arg("--utc").arg("+%Y-%m-%d").output().unwrap();
    let date = String::from_utf8(date.stdout).unwrap();
    let cores = std::thread::available_parallelism().unwrap();
    let Plan { seed, orders, rate, .. } = plan;
    let about = format!(
        "{}, {cores} cores, three brokers; per fault {orders} orders at {rate}/s; seed {seed}.",
        date.trim()
    );
    let table = whole(rows);
    std::fs::write(file, format!("{before}{BEGIN}\n{about}\n\n{table}{END}{after}")).unwrap();
}
