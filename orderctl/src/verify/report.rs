//! What was found of a projection, for people. Compares nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use events_schema::Topic;

use super::compare::{Compared, Difference};
use super::parked;
use super::projection::Projection;
use super::refused;
use super::story::View;
use crate::exit::Outcome;

/// What was found of a projection.
pub(super) struct Report {
    projection: Projection,
    /// Per topic: records up to the positions, and how many positions there are.
    topics: BTreeMap<Topic, (i64, usize)>,
    parked: usize,
    /// Of them: redriven in vain too often.
    quarantined: usize,
    /// Not among the parked: never to be applied.
    discarded: usize,
    /// Not among them either: of a topic that was made again.
    former: usize,
    /// Of the parked: on the database's word, and no longer in the log.
    unproven: usize,
    lost: usize,
    /// Stock records that changed nothing, by a rule of the domain.
    refused: usize,
    pending: usize,
    pub(super) tables: Vec<(&'static str, Compared)>,
    log: Compared,
    pub(super) took: Duration,
}

impl Report {
    pub(super) fn new(projection: Projection, view: View<'_>) -> Self {
        let mut topics = BTreeMap::new();
        for ((topic, _), next) in &view.stand.positions {
            let (records, partitions) = topics.entry(*topic).or_insert((0, 0));
            *records += next;
            *partitions += 1;
        }
        let mut log = Compared::default();
        projection.broken_invariants(view).into_iter().for_each(|broken| log.add(broken));
        unreadable(projection, view).for_each(|place| log.add(place));
        let judged = parked::judge(projection, view);
        judged.unjustified.into_iter().for_each(|unjustified| log.add(unjustified));
        refused::unjustified(view).into_iter().for_each(|unjustified| log.add(unjustified));
        let states = |state| view.stand.parked.values().filter(|row| row.state == state).count();
        Self {
            projection,
            topics,
            quarantined: states(parked::State::Quarantined),
            discarded: states(parked::State::Discarded),
            former: view.stand.former,
            parked: view.stand.parked.len() - states(parked::State::Discarded),
            unproven: judged.unproven,
            lost: judged.lost,
            refused: view.stand.refused.len(),
            pending: view.stand.outbox.values().map(Vec::len).sum(),
            tables: Vec::new(),
            log,
            took: Duration::ZERO,
        }
    }

    fn parked_line(&self) -> String {
        let rest = [
            (self.quarantined, "of them quarantined"),
            (self.unproven, "on the database's word"),
            (self.lost, "cannot be compared: compacted away"),
            (self.discarded, "discarded"),
            (self.former, "of a former topic"),
        ];
        let rest: String = rest.map(|(count, what)| counted(count as u64, what)).concat();
        format!("  {:<16} {:>10}{rest}", "parked", self.parked)
    }

    pub(super) fn differing(&self) -> u64 {
        self.log.differing + self.tables.iter().map(|(_, found)| found.differing).sum::<u64>()
    }

    /// Prints a table of the tables, then every difference that is named.
    pub(super) fn print(
        &self,
        out: &mut impl FnMut(String) -> anyhow::Result<()>,
    ) -> anyhow::Result<Outcome> {
        out(format!("\n{}", self.projection.name()))?;
        for (topic, (records, partitions)) in &self.topics {
            let name = topic.name();
            out(format!("  {name:<16} {records:>10} records folded from {partitions} partitions"))?;
        }
        out(self.parked_line())?;
        if self.refused > 0 {
            out(format!("  {:<16} {:>10} by a rule of the domain", "refused", self.refused))?;
        }
        if self.pending > 0 {
            out(format!(
                "  {:<16} {:>10} facts are still to be published",
                "outbox", self.pending
            ))?;
        }
        for (name, found) in &self.tables {
            let (rows, differing) = (found.rows, found.differing);
            let lost = counted(found.lost, "cannot be compared: compacted away");
            out(format!("  {name:<16} {rows:>10} rows compared, {differing} differ{lost}"))?;
        }
        let all = self.tables.iter().map(|(_, found)| found).chain([&self.log]);
        for found in all {
            for difference in &found.named {
                out(format!("  ! {}.{difference}", self.projection.name()))?;
            }
            let more = found.differing.saturating_sub(found.named.len() as u64);
            if more > 0 {
                out(format!("  ! and {more} more"))?;
            }
        }
        let differing = self.differing();
        let word = if differing == 0 { "the log explains every row" } else { "DIFFERS" };
        out(format!("  {word} ({differing} differences, {:.1?})", self.took))?;
        Ok(if differing == 0 { Outcome::Fine } else { Outcome::Differs })
    }
}

fn counted(count: u64, what: &str) -> String {
    if count == 0 { String::new() } else { format!(", {count} {what}") }
}

/// Records that the projection has passed and not parked, though nobody can read them.
fn unreadable(projection: Projection, view: View<'_>) -> impl Iterator<Item = Difference> {
    let passed = view.story.unreadable.iter().filter(move |(place, record)| {
        let reads = projection.topics().contains(&place.topic);
        reads && record.concerns(projection, place.topic) && view.has_seen(**place)
    });
    passed.map(|(place, record)| {
        let what = format!("{} and it is not parked", record.why);
        Difference::invariant("record", place, what)
    })
}
