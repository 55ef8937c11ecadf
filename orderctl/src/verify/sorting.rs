//! Sorts more rows than memory should hold: by how their keys begin in a file, and by the rest of it in
//! memory. Knows no table.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::row::{Row, Rows};
use super::spool::Spool;
use super::story::Story;

/// What has come so far, or why it could not be kept.
pub(super) struct Sorting {
    spool: io::Result<Spool<String>>,
    /// Bytes of a key that say where it goes.
    prefix: usize,
}

impl Sorting {
    pub(super) fn by_the_first(prefix: usize) -> Self {
        Self { spool: Spool::new(), prefix }
    }

    pub(super) fn push(&mut self, key: &str, value: &impl Serialize) {
        let Ok(spool) = &mut self.spool else { return };
        let bucket = key.get(..self.prefix).unwrap_or(key).to_owned();
        let entry = serde_json::to_vec(&(key, value)).map_err(io::Error::from);
        if let Err(error) = entry.and_then(|entry| spool.push(bucket, &entry)) {
            self.spool = Err(error);
        }
    }

    /// A row of each key, in byte order; what came later under a key is merged into the first.
    pub(super) fn rows<'a, V: DeserializeOwned + Send + 'a>(
        self,
        story: &'a Story,
        merge: fn(&mut V, V),
        cells: fn(V) -> Vec<Option<String>>,
    ) -> Rows<'a> {
        let Some(spool) = story.kept(self.spool) else { return Box::new(std::iter::empty()) };
        let buckets: Vec<String> = spool.keys().cloned().collect();
        let rows = move |bucket| {
            let sorted = story.kept(sorted(&spool, &bucket, merge)).unwrap_or_default();
            sorted.into_iter().map(move |(key, value)| Row::new(key, cells(value)))
        };
        Box::new(buckets.into_iter().flat_map(rows))
    }
}

fn sorted<V: DeserializeOwned>(
    spool: &Spool<String>,
    bucket: &String,
    merge: fn(&mut V, V),
) -> io::Result<BTreeMap<String, V>> {
    let mut sorted = BTreeMap::new();
    spool.read(bucket, |entry| {
        let (key, value): (String, V) = serde_json::from_slice(entry)?;
        match sorted.entry(key) {
            Entry::Vacant(vacant) => {
                vacant.insert(value);
            }
            Entry::Occupied(mut first) => merge(first.get_mut(), value),
        }
        Ok(())
    })?;
    Ok(sorted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_comes_of_each_key_in_byte_order_with_all_that_came_under_it() {
        let story = Story::default();
        let mut sorting = Sorting::by_the_first(2);
        let keys = (0..2_000).map(|n: u32| format!("{:03}", n * 7 % 1_000));
        keys.for_each(|key| sorting.push(&key, &1_u64));
        sorting.push("0", &5_u64);
        let rows =
            sorting.rows(&story, |sum, one: u64| *sum += one, |sum| vec![Some(sum.to_string())]);
        let rows: Vec<(String, String)> =
            rows.map(|row| (row.key, row.cells[0].clone().unwrap())).collect();
        let twice = (0..1_000).map(|n| (format!("{n:03}"), "2".to_owned()));
        let expected = [("0".to_owned(), "5".to_owned())].into_iter().chain(twice);
        assert_eq!(rows, expected.collect::<Vec<_>>());
        assert!(story.whole().is_ok());
    }
}
