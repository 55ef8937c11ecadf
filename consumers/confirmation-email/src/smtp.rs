//! A conversation with a mail server, and no wait in it without an end. Judges no answer.
//!
//! Our own, because lettre's client takes an answer that it cannot read for a broken connection.

mod answer;
mod greet;
mod login;
mod wire;

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout, timeout_at};

pub(crate) use answer::{Answer, Status};
pub(crate) use greet::{ConnectError, open};

use answer::Reading;
use wire::Wire;

/// What one answer may take up.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// A line that ends in a lone CR is over when nothing follows for so long.
const LONE_CR: Duration = Duration::from_millis(300);
/// How long what a server says before it closes is waited for, once it takes nothing more.
const LAST_WORDS: Duration = Duration::from_millis(300);

/// A connection, and what has been read of it.
pub(crate) struct Conversation {
    wire: Box<dyn Wire>,
    received: Vec<u8>,
    /// How long the server may take for one answer, or to take up what we say.
    within: Duration,
    /// The server takes several commands at once, and answers each (RFC 2920).
    takes_groups: bool,
    ended: bool,
}

/// No answer came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Silence {
    #[error("no answer in time")]
    Late,
    #[error("the connection broke")]
    Broken,
    #[error("what came was no SMTP")]
    NoSmtp,
    #[error("the server spoke out of turn")]
    OutOfTurn,
}

impl Conversation {
    fn new(wire: Box<dyn Wire>, within: Duration) -> Self {
        Self { wire, received: Vec::new(), within, takes_groups: false, ended: false }
    }

    /// Whether it is good for nothing more: a deadline was missed or the connection broke.
    pub(crate) fn has_ended(&self) -> bool {
        self.ended
    }

    /// Whether the server takes several commands at once, and answers each.
    pub(crate) fn takes_groups(&self) -> bool {
        self.takes_groups
    }

    /// Says a line, or several, and hears the first answer, unless there is one before.
    pub(crate) async fn ask(&mut self, line: &str) -> Result<Answer, Silence> {
        if let Some(said) = self.unasked().await {
            return said;
        }
        self.exchange(format!("{line}\r\n").as_bytes(), self.within).await
    }

    /// What the server says before it is asked, which ends the conversation: a farewell or a refusal
    /// is an answer to whatever we would say next; anything else, and nobody knows any more which
    /// answer is whose.
    pub(crate) async fn unasked(&mut self) -> Option<Result<Answer, Silence>> {
        // Only what is there: the end of the connection shows in what follows.
        drop(timeout(Duration::ZERO, self.wire.read_buf(&mut self.received)).await);
        let mut reading = Reading::default();
        while let Some(line) = self.next_line(false) {
            if reading.take(&line) {
                break;
            }
        }
        let answer = reading.finish()?;
        self.ended = true;
        let is_refusal = matches!(answer.status.code, 400..=599);
        Some(if is_refusal { Ok(answer) } else { Err(Silence::OutOfTurn) })
    }

    /// Says this and hears the answer, both of it within this time.
    pub(crate) async fn exchange(
        &mut self,
        bytes: &[u8],
        within: Duration,
    ) -> Result<Answer, Silence> {
        let until = Instant::now() + within;
        match self.say(bytes).await {
            Ok(()) => self.hear(until.saturating_duration_since(Instant::now())).await,
            Err(silence) => self.last_words().await.ok_or(silence),
        }
    }

    /// Hands the bytes over, all of them, or the conversation has ended.
    pub(crate) async fn say(&mut self, bytes: &[u8]) -> Result<(), Silence> {
        let say = async {
            self.wire.write_all(bytes).await?;
            self.wire.flush().await
        };
        let said = match timeout(self.within, say).await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(_)) => Silence::Broken,
            Err(_) => Silence::Late,
        };
        self.ended = true;
        Err(said)
    }

    /// What the server says now. Where the answer breaks off behind its code, the code has been said.
    pub(crate) async fn hear(&mut self, within: Duration) -> Result<Answer, Silence> {
        let until = Instant::now() + within;
        let (mut reading, mut bytes) = (Reading::default(), 0);
        loop {
            let known = self.received.len();
            while let Some(line) = self.next_line(false) {
                if reading.take(&line) {
                    return reading.finish().ok_or(Silence::NoSmtp);
                }
            }
            bytes += known - self.received.len();
            let silence = match self.read(until, bytes).await {
                Ok(()) => continue,
                Err(silence) => silence,
            };
            let at_end = silence != Silence::Late || Instant::now() >= until;
            self.ended |= at_end;
            while let Some(line) = self.next_line(true) {
                if reading.take(&line) {
                    return reading.finish().ok_or(Silence::NoSmtp);
                }
            }
            if at_end {
                return reading.finish().ok_or(silence);
            }
        }
    }

    /// What a server that closes said before.
    pub(crate) async fn last_words(&mut self) -> Option<Answer> {
        let answer = self.hear(LAST_WORDS).await;
        self.ended = true;
        answer.ok()
    }

    /// Takes leave; whether it is heard changes nothing.
    pub(crate) async fn quit(mut self, within: Duration) {
        if !self.ended {
            self.within = within;
            // The server closes then, or we do.
            drop(self.ask("QUIT").await);
        }
    }

    async fn read(&mut self, until: Instant, bytes: usize) -> Result<(), Silence> {
        if bytes + self.received.len() > ANSWER_BYTES_MAX {
            return Err(Silence::NoSmtp);
        }
        let lone_cr = self.received.last() == Some(&b'\r');
        let until = if lone_cr { until.min(Instant::now() + LONE_CR) } else { until };
        match timeout_at(until, self.wire.read_buf(&mut self.received)).await {
            Ok(Ok(1..)) => Ok(()),
            Ok(Ok(0) | Err(_)) => Err(Silence::Broken),
            Err(_) => Err(Silence::Late),
        }
    }

    /// The next line that has come, without its end: a CR, an LF or both. At the end of all that
    /// comes, what is left is a line, too.
    fn next_line(&mut self, at_end: bool) -> Option<Vec<u8>> {
        let end = self.received.iter().position(|byte| matches!(byte, b'\r' | b'\n'));
        let length = match end {
            Some(end) => {
                let rest = self.received.get(end..).unwrap_or_default();
                match rest {
                    [b'\r', b'\n', ..] => end + 2,
                    [b'\r'] if !at_end => return None,
                    _ => end + 1,
                }
            }
            None if at_end && !self.received.is_empty() => self.received.len(),
            None => return None,
        };
        Some(self.received.drain(..length).collect())
    }

    /// The connection alone, where nothing has come ahead of time: what came before encryption could
    /// be anybody's (RFC 3207, 6).
    fn into_wire(self) -> io::Result<Box<dyn Wire>> {
        match self.received.is_empty() {
            true => Ok(self.wire),
            false => Err(io::Error::other("the server spoke out of turn before encryption")),
        }
    }
}

/// The lines of a mail as they go over the wire: none begins with a lone dot (RFC 5321, 4.5.2), and the
/// last one ends.
pub(crate) fn stuffed(content: &[u8]) -> Vec<u8> {
    let mut stuffed = Vec::with_capacity(content.len() + content.len() / 64 + 2);
    let mut line_begins = true;
    for &byte in content {
        if line_begins && byte == b'.' {
            stuffed.push(b'.');
        }
        stuffed.push(byte);
        line_begins = byte == b'\n';
    }
    if !stuffed.ends_with(b"\r\n") {
        stuffed.extend_from_slice(b"\r\n");
    }
    stuffed
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is heard of these bytes, after which the server closes.
    async fn heard(bytes: &'static [u8]) -> (Result<u16, Silence>, Conversation) {
        let (near, mut far) = tokio::io::duplex(256 * 1024);
        far.write_all(bytes).await.unwrap();
        drop(far);
        let mut conversation = Conversation::new(Box::new(near), Duration::from_secs(5));
        let answer = conversation.hear(Duration::from_secs(5)).await;
        (answer.map(|answer| answer.status.code), conversation)
    }

    #[tokio::test]
    async fn a_line_ends_as_the_server_likes() {
        for bytes in [&b"250 a\r\n"[..], b"250 a\n", b"250 a\r", b"250 a", b"\r\n\n250"] {
            assert_eq!(heard(bytes).await.0, Ok(250), "{bytes:?}");
        }
        for bytes in [&b"250-a\r550 b\r"[..], b"250-a\n550 b\r", b"250-a\r\n550 b\n"] {
            assert_eq!(heard(bytes).await.0, Ok(550), "{bytes:?}");
        }
    }

    #[tokio::test]
    async fn a_lone_cr_that_nothing_follows_ends_the_answer() {
        let (near, mut far) = tokio::io::duplex(1024);
        far.write_all(b"250 a\r").await.unwrap();
        let mut conversation = Conversation::new(Box::new(near), Duration::from_secs(60));
        let hear = conversation.hear(Duration::from_secs(60));
        let answer = timeout(Duration::from_secs(10), hear).await.expect("in time").unwrap();
        assert_eq!((answer.status.code, conversation.has_ended()), (250, false));
    }

    #[tokio::test]
    async fn one_answer_is_read_and_the_next_is_left() {
        let (first, mut conversation) = heard(b"250-a\r\n250 b\r\n421 bye\r\n").await;
        assert_eq!((first, conversation.has_ended()), (Ok(250), false));
        let second = conversation.hear(Duration::from_secs(5)).await.unwrap();
        assert_eq!(second.to_string(), "421 bye");
    }

    #[tokio::test]
    async fn an_answer_without_an_end_has_one() {
        static ENDLESS: [u8; 128 * 1024] = [b'x'; 128 * 1024];
        let (answer, conversation) = heard(&ENDLESS).await;
        assert_eq!((answer, conversation.has_ended()), (Err(Silence::NoSmtp), true));
    }

    #[tokio::test]
    async fn a_reply_before_the_silence_counts() {
        let (near, mut far) = tokio::io::duplex(1024);
        far.write_all(b"250-taken, and more to c").await.unwrap();
        let mut conversation = Conversation::new(Box::new(near), Duration::from_secs(5));
        let answer = conversation.hear(Duration::from_millis(50)).await.unwrap();
        assert_eq!((answer.status.code, conversation.has_ended()), (250, true));
    }

    #[tokio::test]
    async fn an_answer_that_goes_on_drop_by_drop_ends_in_time() {
        let (near, mut far) = tokio::io::duplex(1024);
        let drops = tokio::spawn(async move {
            while far.write_all(b"250-more\r\n").await.is_ok() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        });
        let mut conversation = Conversation::new(Box::new(near), Duration::from_secs(5));
        let hear = conversation.hear(Duration::from_millis(100));
        let answer = timeout(Duration::from_secs(5), hear).await.expect("in time").unwrap();
        assert_eq!((answer.status.code, conversation.has_ended()), (250, true));
        drop(conversation);
        drops.await.unwrap();
    }

    #[tokio::test]
    async fn a_reply_that_nobody_asked_for_answers_nothing_but_a_refusal() {
        let table: [(&[u8], Result<u16, Silence>); 5] = [
            (b"250 a\r\n250 b\r\n", Err(Silence::OutOfTurn)),
            (b"250 a\r\n354 b\r\n", Err(Silence::OutOfTurn)),
            (b"250 a\r\n250-b\r\n", Err(Silence::OutOfTurn)),
            (b"250 a\r\n421 bye\r\n", Ok(421)),
            (b"250 a\r\n554-no\r\n554 bye\r\n", Ok(554)),
        ];
        for (bytes, expected) in table {
            let (near, mut far) = tokio::io::duplex(1024);
            far.write_all(bytes).await.unwrap();
            let mut conversation = Conversation::new(Box::new(near), Duration::from_secs(5));
            conversation.hear(Duration::from_secs(5)).await.unwrap();
            let said = conversation.ask("NOOP").await.map(|answer| answer.status.code);
            assert_eq!((said, conversation.has_ended()), (expected, true), "{bytes:?}");
        }
    }

    #[tokio::test]
    async fn words_and_empty_lines_behind_an_answer_are_no_answer() {
        let (near, mut far) = tokio::io::duplex(1024);
        far.write_all(b"250 a\r\n\r\nhave a nice day\r\n").await.unwrap();
        let mut conversation = Conversation::new(Box::new(near), Duration::from_secs(5));
        conversation.hear(Duration::from_secs(5)).await.unwrap();
        assert_eq!(conversation.unasked().await, None);
        far.write_all(b"251 b\r\n").await.unwrap();
        let answer = conversation.hear(Duration::from_secs(5)).await.unwrap();
        assert_eq!((answer.status.code, conversation.has_ended()), (251, false));
    }

    #[test]
    fn a_lone_dot_ends_no_mail_before_its_time() {
        let table: [(&[u8], &[u8]); 4] = [
            (b".\r\n..\r\na.b", b"..\r\n...\r\na.b\r\n"),
            (b"a\r\n", b"a\r\n"),
            (b"\n.\n", b"\n..\n\r\n"),
            (b"", b"\r\n"),
        ];
        for (content, expected) in table {
            assert_eq!(stuffed(content), expected);
        }
    }
}
