//! Standard output: lines for people and programs. Formats nothing.

use std::fmt::Display;
use std::io::{self, Write};

use crate::exit::ReaderGone;

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
