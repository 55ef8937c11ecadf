//! The ledger: every order that was acknowledged, as JSON lines. `load` writes it, `verify` and
//! `summary` read it. What a line is worth, they know.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::Mutex;

use anyhow::Context;
use serde::Serialize;

use crate::exit::Usage;

/// An acknowledged order. One that is cancelled gets a second line, with `cancel_position`.
#[derive(Debug, Serialize)]
pub(crate) struct Entry<'a> {
    pub(crate) order_id: &'a str,
    pub(crate) customer_id: &'a str,
    pub(crate) basket: &'a str,
    pub(crate) position: &'a str,
    pub(crate) acknowledged_at_micros: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cancel_position: Option<&'a str>,
}

/// The file, which several loads in a row may share.
pub(crate) struct Ledger {
    file: Mutex<File>,
}

impl Ledger {
    /// Opens it to append; the half line that a killed load may have left at its end is cut off.
    pub(crate) fn open(path: &Path) -> anyhow::Result<Self> {
        let opened = OpenOptions::new().read(true).append(true).create(true).open(path);
        let mut file =
            opened.with_context(|| format!("could not open the ledger {}", path.display()))?;
        cut_half_line(&mut file)
            .with_context(|| format!("could not mend the ledger {}", path.display()))?;
        Ok(Self { file: Mutex::new(file) })
    }

    /// Appends one line with one write and no buffer: what is acknowledged is written down, also
    /// when this process is killed in the next moment.
    pub(crate) fn write(&self, entry: &Entry<'_>) -> anyhow::Result<()> {
        let mut line = serde_json::to_vec(entry)?;
        line.push(b'\n');
        let mut file = self.file.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        file.write_all(&line).context("could not write the ledger")
    }
}

/// Longer than any line of ours.
const TAIL_BYTES: u64 = 4096;

fn cut_half_line(file: &mut File) -> std::io::Result<()> {
    let length = file.seek(SeekFrom::End(0))?;
    let start = length.saturating_sub(TAIL_BYTES);
    file.seek(SeekFrom::Start(start))?;
    let mut tail = Vec::new();
    file.read_to_end(&mut tail)?;
    let whole = tail.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at as u64 + 1);
    file.set_len(start + whole)
}

/// Hands out every line, until one is refused: then the file is no ledger. A killed load may have left
/// half a line at the end, which is passed over.
pub(crate) fn each_line(
    mut lines: impl BufRead,
    mut take: impl FnMut(&[u8]) -> Option<()>,
) -> anyhow::Result<()> {
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        let length = lines.read_until(b'\n', &mut line).context("could not read the ledger")?;
        if length == 0 {
            break;
        }
        if line.trim_ascii().is_empty() || is_unfinished(&line) {
            continue;
        }
        take(&line).ok_or_else(|| {
            Usage(format!("line {number} of the ledger names no order and position"))
        })?;
    }
    Ok(())
}

/// Cut off in the middle: only the last line can be.
fn is_unfinished(line: &[u8]) -> bool {
    let parsed = serde_json::from_slice::<serde::de::IgnoredAny>(line);
    !line.ends_with(b"\n") && parsed.is_err_and(|error| error.is_eof())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_line_is_passed_over_at_the_end_only() {
        let read = |text: &str| {
            let mut taken = 0;
            let parsed = |line: &[u8]| serde_json::from_slice::<serde_json::Value>(line).ok();
            each_line(text.as_bytes(), |line| parsed(line).map(|_| taken += 1)).map(|()| taken)
        };
        assert_eq!(read("{}\n\n{\"a\":1}").unwrap(), 2, "whole, though no line ends it");
        assert_eq!(read("{}\n{\"a\":").unwrap(), 1);
        assert!(read("{\"a\":\n{}\n").unwrap_err().is::<Usage>());
    }

    fn entry(order_id: &str) -> Entry<'_> {
        Entry {
            order_id,
            customer_id: "c1",
            basket: "b1",
            position: "orders:3@17",
            acknowledged_at_micros: 5,
            cancel_position: None,
        }
    }

    #[test]
    fn a_line_is_in_the_file_before_write_returns() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger");
        let ledger = Ledger::open(&path).unwrap();
        ledger.write(&entry("o1")).unwrap();
        assert_eq!(
            std::fs::read_to_string(&path).unwrap(),
            "{\"order_id\":\"o1\",\"customer_id\":\"c1\",\"basket\":\"b1\",\"position\":\"orders:3@17\",\
             \"acknowledged_at_micros\":5}\n"
        );
    }

    #[test]
    fn the_half_line_of_a_killed_load_is_cut_off_before_more_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger");
        std::fs::write(&path, "{\"whole\":1}\n{\"order_id\":\"ha").unwrap();
        Ledger::open(&path).unwrap().write(&entry("o2")).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("{\"whole\":1}\n{\"order_id\":\"o2\""), "{text}");
        assert!(text.lines().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()));
    }
}
