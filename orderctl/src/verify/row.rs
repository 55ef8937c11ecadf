//! A row in words, in the same form whether the log or Postgres says it.

use events_schema::{OrderLine, Shortage, Timestamp};

/// A table and the query that reads it: key, number within the key, columns; in that order.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) name: &'static str,
    pub(super) columns: &'static [&'static str],
    /// Yields `(text, int, text[])` by text in byte order, then by int.
    pub(super) sql: &'static str,
}

/// One row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) key: String,
    /// The line of an order; else 0.
    pub(super) number: i32,
    pub(super) cells: Vec<Option<String>>,
    /// The log no longer says whether there is such a row, nor what it holds.
    pub(super) is_lost: bool,
}

/// What a table should hold, by key in byte order.
pub(super) type Rows<'a> = Box<dyn Iterator<Item = Row> + Send + 'a>;

impl Row {
    pub(super) fn new(key: impl ToString, cells: Vec<Option<String>>) -> Self {
        Self { key: key.to_string(), number: 0, cells, is_lost: false }
    }

    /// A row of which the log no longer says anything.
    pub(super) fn lost(key: impl ToString) -> Self {
        Self { is_lost: true, ..Self::new(key, Vec::new()) }
    }
}

/// A column that holds something.
pub(super) fn cell(value: impl ToString) -> Option<String> {
    Some(value.to_string())
}

/// A time as Postgres is asked to print it.
pub(super) fn time(at: Timestamp) -> Option<String> {
    Some(at.to_utc().format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string())
}

pub(super) fn lines(lines: &[OrderLine]) -> Option<String> {
    let line = |line: &OrderLine| format!("{} {} {}", line.sku, line.quantity.get(), price(line));
    Some(lines.iter().map(line).collect::<Vec<_>>().join("; "))
}

pub(super) fn price(line: &OrderLine) -> i64 {
    line.unit_price_minor.get()
}

pub(super) fn shortages(shortages: &[Shortage]) -> Option<String> {
    let one = |s: &Shortage| format!("{} {} {}", s.sku, s.requested, s.available);
    Some(shortages.iter().map(one).collect::<Vec<_>>().join("; "))
}

/// The columns of one line per row, as `order_lines` has them.
pub(super) fn line_rows(order: impl ToString, lines: &[OrderLine]) -> Vec<Row> {
    let order = order.to_string();
    let row = |(number, line): (i32, &OrderLine)| Row {
        key: order.clone(),
        number,
        cells: vec![cell(&line.sku), cell(line.quantity.get()), cell(price(line))],
        is_lost: false,
    };
    (0..).zip(lines).map(row).collect()
}

/// SQL for a time in [`time`]'s form.
macro_rules! sql_time {
    ($column:literal) => {
        concat!("to_char(", $column, r#" AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"#)
    };
}

/// SQL for a JSON array of objects: the three members of each, as `lines` and `shortages` say them.
macro_rules! sql_list {
    ($column:literal, $a:literal, $b:literal, $c:literal) => {
        concat!(
            "(SELECT coalesce(string_agg(concat_ws(' ', e ->> '",
            $a,
            "', e ->> '",
            $b,
            "', e ->> '",
            $c,
            "'), '; ' ORDER BY place), '') FROM jsonb_array_elements(",
            $column,
            ") WITH ORDINALITY AS list (e, place))"
        )
    };
}

pub(super) use {sql_list, sql_time};
