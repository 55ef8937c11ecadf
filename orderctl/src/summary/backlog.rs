//! How far the projections are behind the log, and the wait until they are not. Moves nothing.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

use anyhow::Context;
use events_schema::Topic;
use indicatif::{HumanCount, ProgressBar};
use kafka_client::KafkaSettings;
use sqlx::PgConnection;

use crate::database::answered;
use crate::log::LogReader;
use crate::progress::{LINE_EVERY, bar, is_in_lines};

const LOOK_EVERY: Duration = Duration::from_millis(250);
const BAR: &str = "catching up {wide_bar} {percent}%, {per_sec}, {eta} left: {msg}";

/// The projections and the topics that each folds.
const PROJECTIONS: [(&str, &[Topic]); 3] = [
    ("inventory", &[Topic::Orders, Topic::Products, Topic::Stock]),
    ("confirmation-email", &[Topic::Orders, Topic::Products]),
    ("analytics", &[Topic::Orders, Topic::Products]),
];

/// Where every projection stands, as one snapshot.
const POSITIONS: &str = "
    SELECT 'inventory', topic, partition, next_offset FROM inventory.positions
    UNION ALL
    SELECT 'confirmation-email', topic, partition, next_offset FROM \"confirmation-email\".positions
    UNION ALL
    SELECT 'analytics', topic, partition, next_offset FROM analytics.positions
    UNION ALL
    SELECT 'outbox', '', 0, count(*) FROM inventory.outbox
    UNION ALL
    SELECT 'mails', '', 0, count(*) FROM \"confirmation-email\".mails
    WHERE state IN ('queued', 'sending')";

/// The end of each topic's partition.
type TopicEnds = BTreeMap<(String, i32), i64>;

/// What is still to be done, by who has to do it; nothing where it is 0.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Backlog(BTreeMap<String, u64>);

impl Backlog {
    fn total(&self) -> u64 {
        self.0.values().sum()
    }
}

impl fmt::Display for Backlog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = self.0.iter().map(|(who, left)| format!("{who} {}", HumanCount(*left)));
        f.write_str(&parts.collect::<Vec<_>>().join(", "))
    }
}

/// Where every partition ends now, by the topic's name on the broker.
fn read_ends(log: &LogReader, settings: &KafkaSettings) -> anyhow::Result<TopicEnds> {
    let mut ends = TopicEnds::new();
    for topic in Topic::ALL {
        let name = settings.prefixed(topic.name());
        let spans = log.extents(topic.name())?.into_iter();
        ends.extend(spans.map(|span| ((name.clone(), span.partition), span.end)));
    }
    Ok(ends)
}

/// Waits until nothing is left to be done; what is left when the time is up.
pub(crate) async fn wait(
    database: &mut PgConnection,
    within: Duration,
) -> anyhow::Result<Option<Backlog>> {
    let settings = KafkaSettings::from_env()?;
    let log = tokio::task::block_in_place(|| LogReader::new(settings.clone()))?;
    let deadline = Instant::now() + within;
    let mut shown = Shown::new();
    loop {
        let backlog = read(database, &log, &settings).await?;
        if backlog.total() == 0 {
            return Ok(None);
        }
        if Instant::now() > deadline {
            return Ok(Some(backlog));
        }
        shown.show(&backlog);
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// The positions are read before the ends: if they reach what the log holds afterwards, and at that
/// moment nothing waited to be published or sent, then everything is done.
async fn read(
    database: &mut PgConnection,
    log: &LogReader,
    settings: &KafkaSettings,
) -> anyhow::Result<Backlog> {
    let positions = answered(sqlx::query_as(POSITIONS).fetch_all(database));
    let positions: Vec<(String, String, i32, i64)> =
        positions.await.context("could not read the positions: run 'migrate' of every consumer")?;
    let ends = tokio::task::block_in_place(|| read_ends(log, settings))?;
    Ok(behind(&positions, &ends, |topic| settings.prefixed(topic.name())))
}

fn behind(
    positions: &[(String, String, i32, i64)],
    ends: &TopicEnds,
    name: impl Fn(Topic) -> String,
) -> Backlog {
    let mut backlog = BTreeMap::new();
    let mut add = |who: &str, left: i64| {
        if left > 0 {
            *backlog.entry(who.to_owned()).or_default() += left.unsigned_abs();
        }
    };
    for (projection, topics) in PROJECTIONS {
        let names: Vec<String> = topics.iter().map(|topic| name(*topic)).collect();
        for ((topic, partition), end) in ends.iter().filter(|((topic, _), _)| names.contains(topic))
        {
            let found = positions.iter().find(|(who, of, number, _)| {
                who == projection && of == topic && number == partition
            });
            add(projection, end - found.map_or(0, |position| position.3));
        }
    }
    for (who, _, _, count) in positions.iter().filter(|row| row.1.is_empty()) {
        add(who, *count);
    }
    Backlog(backlog)
}

/// What is left, as it is shown.
struct Shown {
    bar: ProgressBar,
    lines: bool,
    last: Instant,
    most: u64,
}

impl Shown {
    fn new() -> Self {
        let (bar, lines) = (bar(BAR, 0), is_in_lines());
        Self { bar, lines, last: Instant::now(), most: 0 }
    }

    fn show(&mut self, backlog: &Backlog) {
        // Outcomes are written to the log while it is read, so the whole may still grow.
        self.most = self.most.max(backlog.total());
        self.bar.set_length(self.most);
        self.bar.set_position(self.most - backlog.total());
        self.bar.set_message(backlog.to_string());
        if self.lines && self.last.elapsed() >= LINE_EVERY {
            eprintln!("catching up: {backlog}");
            self.last = Instant::now();
        }
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn position(who: &str, topic: &str, partition: i32, next: i64) -> (String, String, i32, i64) {
        (who.to_owned(), topic.to_owned(), partition, next)
    }

    fn behind_of(positions: &[(String, String, i32, i64)], ends: &[(&str, i32, i64)]) -> String {
        let ends =
            ends.iter().map(|(topic, partition, end)| ((format!("x-{topic}"), *partition), *end));
        behind(positions, &ends.collect(), |topic| format!("x-{}", topic.name())).to_string()
    }

    #[test]
    fn a_projection_is_behind_by_what_it_has_not_read_of_its_own_topics() {
        let positions = [
            position("inventory", "x-orders", 0, 5),
            position("inventory", "x-stock", 0, 4),
            position("analytics", "x-orders", 0, 7),
            position("confirmation-email", "x-orders", 0, 7),
        ];
        let left = behind_of(&positions, &[("orders", 0, 7), ("stock", 0, 4)]);
        assert_eq!(left, "inventory 2");
    }

    #[test]
    fn a_partition_without_a_position_is_wholly_unread() {
        assert_eq!(behind_of(&[], &[("stock", 1, 3), ("orders", 0, 0)]), "inventory 3");
    }

    #[test]
    fn mails_and_events_that_wait_are_behind_too() {
        let positions = [position("mails", "", 0, 2), position("outbox", "", 0, 1)];
        assert_eq!(behind_of(&positions, &[]), "mails 2, outbox 1");
    }
}
