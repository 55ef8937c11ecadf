//! Standard output: lines for people and programs. Decides nothing about what they say.

use std::fmt::Display;
use std::io::{self, Write};

use serde::Serialize;
use serde_json::Serializer;
use serde_json::ser::{CompactFormatter, Formatter};

use crate::exit::ReaderGone;

/// The largest whole number that a reader of JSON keeps which knows only doubles, as jq and browsers
/// do: 2^53 - 1.
const WHOLE_MAX: u64 = (1 << 53) - 1;

/// JSON in which a whole number beyond [`WHOLE_MAX`] is a string of its digits.
pub(crate) struct Json<'a, T>(pub(crate) &'a T);

impl<T: Serialize> Json<'_, T> {
    /// Appends it.
    pub(crate) fn write(&self, out: impl Write) -> io::Result<()> {
        let mut serializer = Serializer::with_formatter(out, WholeNumbers);
        self.0.serialize(&mut serializer).map_err(io::Error::from)
    }
}

struct WholeNumbers;

impl Formatter for WholeNumbers {
    fn write_i64<W: ?Sized + Write>(&mut self, out: &mut W, value: i64) -> io::Result<()> {
        match value.unsigned_abs() <= WHOLE_MAX {
            true => CompactFormatter.write_i64(out, value),
            false => write!(out, "\"{value}\""),
        }
    }

    fn write_u64<W: ?Sized + Write>(&mut self, out: &mut W, value: u64) -> io::Result<()> {
        match value <= WHOLE_MAX {
            true => CompactFormatter.write_u64(out, value),
            false => write!(out, "\"{value}\""),
        }
    }
}

/// Writes one line to standard output.
pub(crate) fn line(text: impl Display) -> anyhow::Result<()> {
    written(writeln!(io::stdout().lock(), "{text}"))
}

/// What a write to standard output came to; a closed pipe ends the verb quietly.
pub(crate) fn written(result: io::Result<()>) -> anyhow::Result<()> {
    match result {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(ReaderGone.into()),
        Err(error) => Err(anyhow::Error::new(error).context("could not write the output")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_whole_number_survives_a_reader_that_knows_only_doubles() {
        let edge = WHOLE_MAX as i64;
        for number in [0, 1, -1, edge, -edge, edge + 1, -edge - 1, i64::MAX, i64::MIN] {
            let mut out = Vec::new();
            Json(&[number]).write(&mut out).unwrap();
            let text = String::from_utf8(out).unwrap();
            let read: serde_json::Value = serde_json::from_str(&text).unwrap();
            let kept = match &read[0] {
                serde_json::Value::String(digits) => digits.parse::<i64>().unwrap(),
                // What a browser or jq makes of it.
                other => other.as_f64().unwrap() as i64,
            };
            assert_eq!(kept, number, "{text}");
        }
        let mut out = Vec::new();
        Json(&[u64::MAX]).write(&mut out).unwrap();
        assert_eq!(out, b"[\"18446744073709551615\"]");
    }
}
