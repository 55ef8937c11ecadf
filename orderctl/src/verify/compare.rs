//! Walks through what the log says and what Postgres says side by side, by key. Holds no table in
//! memory.

use std::cmp::Ordering;
use std::fmt;
use std::time::Duration;

use anyhow::Context;
use futures::TryStreamExt;
use postgres_client::within;
use sqlx::PgConnection;

use super::row::{Row, Rows, Table};

/// Differences of a table that are named; the others are counted.
const NAMED_MAX: usize = 20;
/// The longest that a row is waited for: before the first the whole table may have to be sorted.
const ROW: Duration = Duration::from_secs(600);
/// Columns with personal data: that they differ is said, what they hold is not.
const PERSONAL: [&str; 2] = ["name", "email"];

/// A row that differs, or an invariant that does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Difference {
    pub(super) table: String,
    pub(super) key: String,
    pub(super) what: String,
}

impl Difference {
    pub(super) fn invariant(table: &str, key: &impl ToString, what: String) -> Self {
        Self { table: table.to_owned(), key: key.to_string(), what }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}  {}", self.table, self.key, self.what)
    }
}

/// What comparing a table came to.
#[derive(Debug, Default)]
pub(super) struct Compared {
    pub(super) rows: u64,
    pub(super) differing: u64,
    /// Rows that the log no longer says anything of.
    pub(super) lost: u64,
    pub(super) named: Vec<Difference>,
}

impl Compared {
    /// Takes in the next row: as the log says it, and as it is stored.
    fn take(&mut self, table: &Table, said: Option<Row>, stored: Option<Row>) {
        if said.as_ref().is_some_and(|said| said.is_lost) {
            self.lost += u64::from(stored.is_some());
            return;
        }
        self.rows += 1;
        if let Some(difference) = difference(table, said, stored) {
            self.add(difference);
        }
    }

    pub(super) fn add(&mut self, difference: Difference) {
        self.differing += 1;
        if self.named.len() < NAMED_MAX {
            self.named.push(difference);
        }
    }
}

/// Compares a table with what it should hold. `schema` is for messages.
pub(super) async fn compare(
    snapshot: &mut PgConnection,
    schema: &str,
    table: &Table,
    mut expected: Rows<'_>,
) -> anyhow::Result<Compared> {
    let mut compared = Compared::default();
    let query = sqlx::query_as::<_, (String, i32, Vec<Option<String>>)>(table.sql);
    let mut found = query.fetch(snapshot);
    let context = || format!("could not read the table {} of schema {schema}", table.name);
    let (mut said, mut stored) =
        (expected.next(), within(ROW, found.try_next()).await.with_context(context)?);
    loop {
        let order = match (&said, &stored) {
            (None, None) => return Ok(compared),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(said), Some((key, number, _))) => {
                (said.key.as_bytes(), said.number).cmp(&(key.as_bytes(), *number))
            }
        };
        let (left, right) = match order {
            Ordering::Less => (said.take(), None),
            Ordering::Greater => (None, stored.take()),
            Ordering::Equal => (said.take(), stored.take()),
        };
        if order != Ordering::Greater {
            said = expected.next();
        }
        if order != Ordering::Less {
            stored = within(ROW, found.try_next()).await.with_context(context)?;
        }
        let row = |(key, number, cells): (String, i32, _)| Row { number, ..Row::new(key, cells) };
        compared.take(table, left, right.map(row));
    }
}

fn difference(table: &Table, said: Option<Row>, stored: Option<Row>) -> Option<Difference> {
    let what = match (&said, &stored) {
        (Some(said), Some(stored)) if said == stored => return None,
        (Some(_), None) => "the log has this row, Postgres does not".to_owned(),
        (None, _) => "Postgres has this row, the log does not".to_owned(),
        (Some(said), Some(stored)) => columns(table, said, stored),
    };
    let row = said.or(stored)?;
    let is_line = table.name == "order_lines";
    let key = if is_line { format!("{} line {}", row.key, row.number) } else { row.key };
    Some(Difference { table: table.name.to_owned(), key, what })
}

fn columns(table: &Table, said: &Row, stored: &Row) -> String {
    let pairs = table.columns.iter().zip(said.cells.iter().zip(&stored.cells));
    let differing = pairs.filter(|(_, (said, stored))| said != stored);
    let describe = |(column, (said, stored)): (&&str, (&Option<String>, &Option<String>))| {
        if table.name == "orders" && PERSONAL.contains(column) {
            return format!("{column}: differs");
        }
        let text = |cell: &Option<String>| cell.clone().unwrap_or_else(|| "nothing".to_owned());
        format!("{column}: the log says {}, Postgres says {}", text(said), text(stored))
    };
    differing.map(describe).collect::<Vec<_>>().join("; ")
}
