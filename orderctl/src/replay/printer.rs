//! Writes the lines of batches in the order in which the batches were read, whichever thread rendered
//! them. Knows no record.

use std::io::Write;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use super::render::Lines;
use crate::output::written;

/// The output, to which one thread after the other comes.
pub(super) struct Printer<W> {
    turn: Mutex<Turn<W>>,
    moved: Condvar,
}

struct Turn<W> {
    out: W,
    /// The number of the batch that is written next.
    next: u64,
    /// How many lines may still be written.
    left: u64,
    /// Nothing is written any more, and why.
    ended: Option<anyhow::Result<()>>,
}

impl<W: Write> Printer<W> {
    /// Writes at most `left` lines.
    pub(super) fn new(out: W, left: u64) -> Self {
        let ended = (left == 0).then_some(Ok(()));
        Self { turn: Mutex::new(Turn { out, next: 0, left, ended }), moved: Condvar::new() }
    }

    /// Writes the lines of the batch of that number, when its turn has come.
    pub(super) fn print(&self, number: u64, lines: &mut Lines) {
        let turn = self.turn();
        let is_early = |turn: &mut Turn<W>| turn.ended.is_none() && turn.next != number;
        let turn = self.moved.wait_while(turn, is_early);
        let mut turn = turn.unwrap_or_else(PoisonError::into_inner);
        if turn.ended.is_none() {
            turn.ended = turn.write(lines);
            turn.next += 1;
        }
        self.moved.notify_all();
    }

    /// Whether nothing is written any more.
    pub(super) fn has_ended(&self) -> bool {
        self.turn().ended.is_some()
    }

    /// Lets nobody wait for a batch that never comes.
    pub(super) fn give_up(&self) {
        self.turn().ended.get_or_insert_with(|| Err(anyhow::anyhow!("a thread failed")));
        self.moved.notify_all();
    }

    /// How it went.
    pub(super) fn end(self) -> anyhow::Result<()> {
        let mut turn = self.turn.into_inner().unwrap_or_else(PoisonError::into_inner);
        turn.ended.unwrap_or(Ok(()))?;
        written(turn.out.flush())
    }

    fn turn(&self) -> MutexGuard<'_, Turn<W>> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<W: Write> Turn<W> {
    /// What ends it all, if anything does.
    fn write(&mut self, lines: &mut Lines) -> Option<anyhow::Result<()>> {
        let text = match lines.count > self.left {
            true => first(self.left, &lines.text),
            false => lines.text.as_slice(),
        };
        // An empty write tells nothing, not even that the reader has gone.
        let outcome = if text.is_empty() { Ok(()) } else { written(self.out.write_all(text)) };
        self.left = self.left.saturating_sub(lines.count);
        match (outcome, self.left, lines.failed.take()) {
            (Err(error), _, _) => Some(Err(error)),
            (Ok(()), 0, _) => Some(Ok(())),
            (Ok(()), _, failed) => failed.map(Err),
        }
    }
}

/// The first lines of a text.
fn first(count: u64, text: &[u8]) -> &[u8] {
    let mut ends = text.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
    let last = usize::try_from(count).unwrap_or(usize::MAX).checked_sub(1);
    let end = last.and_then(|last| ends.nth(last)).map_or(0, |(at, _)| at + 1);
    text.get(..end).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Lines {
        let count = text.lines().count() as u64;
        Lines { text: text.into(), count, failed: None }
    }

    fn failing(text: &str) -> Lines {
        Lines { failed: Some(anyhow::anyhow!("the registry is away")), ..lines(text) }
    }

    /// What stands in the output, and how it went.
    fn printed(left: u64, batches: Vec<Lines>) -> (String, anyhow::Result<()>) {
        let mut out = vec![];
        let printer = Printer::new(&mut out, left);
        std::thread::scope(|threads| {
            let printer = &printer;
            // The last batch asks first.
            for (number, mut batch) in (0..).zip(batches).collect::<Vec<_>>().into_iter().rev() {
                threads.spawn(move || printer.print(number, &mut batch));
            }
        });
        let outcome = printer.end();
        (String::from_utf8(out).unwrap(), outcome)
    }

    #[test]
    fn batches_are_written_in_the_order_in_which_they_were_read() {
        let batches = (0..50).map(|n| lines(&format!("{n}\n"))).collect();
        let expected: String = (0..50).map(|n| format!("{n}\n")).collect();
        assert_eq!(printed(u64::MAX, batches).0, expected);
    }

    #[test]
    fn no_line_beyond_the_limit_is_written_and_what_failed_behind_it_is_none_of_its_concern() {
        let (text, outcome) = printed(3, vec![lines("a\nb\n"), failing("c\nd\n"), lines("e\n")]);
        assert_eq!(text, "a\nb\nc\n");
        assert!(outcome.is_ok());
        assert_eq!(printed(0, vec![lines("a\n")]).0, "");
    }

    #[test]
    fn what_stands_before_a_failure_is_written_and_nothing_behind_it() {
        let (text, outcome) = printed(9, vec![lines("a\n"), failing("b\n"), lines("c\n")]);
        assert_eq!(text, "a\nb\n");
        assert_eq!(outcome.unwrap_err().to_string(), "the registry is away");
    }

    #[test]
    fn nobody_waits_for_a_batch_that_never_comes() {
        let mut out = vec![];
        let printer = Printer::new(&mut out, 9);
        std::thread::scope(|threads| {
            threads.spawn(|| printer.print(1, &mut lines("b\n")));
            printer.give_up();
        });
        assert!(printer.has_ended() && printer.end().is_err());
        assert_eq!(out, b"");
    }
}
