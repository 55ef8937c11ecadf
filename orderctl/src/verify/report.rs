//! What was found of a projection, for people. Compares nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use events_schema::{EventType, Topic};

use super::compare::{Compared, Difference};
use super::projection::Projection;
use super::story::View;
use crate::exit::Outcome;

/// What was found of a projection.
pub(super) struct Report {
    projection: Projection,
    /// Per topic: records up to the positions, and how many positions there are.
    topics: BTreeMap<Topic, (i64, usize)>,
    parked: usize,
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
        Self {
            projection,
            topics,
            parked: view.stand.parked.len(),
            pending: view.stand.outbox.values().map(Vec::len).sum(),
            tables: Vec::new(),
            log,
            took: Duration::ZERO,
        }
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
        out(format!("  {:<16} {:>10}", "parked", self.parked))?;
        if self.pending > 0 {
            out(format!(
                "  {:<16} {:>10} facts are still to be published",
                "outbox", self.pending
            ))?;
        }
        for (name, found) in &self.tables {
            let (rows, differing) = (found.rows, found.differing);
            out(format!("  {name:<16} {rows:>10} rows compared, {differing} differ"))?;
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

/// Records that the projection has passed and not parked, though nobody can read them. A type that
/// it does not heed it never decodes.
fn unreadable(projection: Projection, view: View<'_>) -> impl Iterator<Item = Difference> {
    let undecodable = view.story.undecodable.iter();
    let passed = undecodable.filter(move |(place, event_type)| {
        let ours = event_type.as_deref().map(EventType::from_full_name);
        let heeded = ours.is_none_or(|ours| ours.is_some_and(|ours| projection.heeds(ours)));
        heeded && view.has_seen(*place) && projection.topics().contains(&place.topic)
    });
    passed.map(|(place, _)| {
        let what = "it cannot be decoded and is not parked".to_owned();
        Difference::invariant("record", place, what)
    })
}
