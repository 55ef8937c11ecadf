//! Reads a mail server's answer: the first digit decides, whatever its words (RFC 5321, 4.2). Pure:
//! waits for nothing and judges nothing.

use std::fmt;

/// What a server answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: Status,
    /// Its lines without the code, as far as they can be read.
    pub(crate) lines: Vec<String>,
}

/// The numbers of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Status {
    /// Three digits, of which the first is 2 to 5. The others need not be known to anybody.
    pub(crate) code: u16,
    /// Subject and detail of an enhanced code (RFC 3463): `7.1` of `5.7.1`.
    pub(crate) enhanced: Option<(u16, u16)>,
}

impl fmt::Display for Answer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.status.code, self.lines.join(" "))
    }
}

impl fmt::Display for Status {
    /// The enhanced code where there is one: it says more.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.enhanced {
            Some((subject, detail)) => {
                write!(formatter, "{}.{subject}.{detail}", self.code / 100)
            }
            None => write!(formatter, "{}", self.code),
        }
    }
}

/// As much of an answer as has come.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    code: Option<u16>,
    lines: Vec<String>,
}

/// An answer of more lines than this says no more by them.
const LINES_MAX: usize = 64;

impl Reading {
    /// Takes up a line; whether it was the last. What is no line of an answer, as an empty one, says
    /// nothing: servers are known to put words between.
    pub(crate) fn take(&mut self, line: &[u8]) -> bool {
        let Some((code, rest)) = split(line.trim_ascii()) else {
            return false;
        };
        // All lines have the same code; where they have not, the last is the server's last word.
        self.code = Some(code);
        let (goes_on, words) = match rest.split_first() {
            Some((b'-', words)) => (true, words),
            _ => (false, rest),
        };
        if self.lines.len() < LINES_MAX {
            self.lines.push(String::from_utf8_lossy(words).trim().to_owned());
        }
        !goes_on
    }

    /// The answer, as far as it came. Without a code there is none.
    pub(crate) fn finish(self) -> Option<Answer> {
        let code = self.code?;
        let enhanced = self.lines.iter().find_map(|line| enhanced(line, code));
        Some(Answer { status: Status { code, enhanced }, lines: self.lines })
    }
}

/// The code and what stands behind it.
fn split(line: &[u8]) -> Option<(u16, &[u8])> {
    let (digits, rest) = line.split_at_checked(3)?;
    let known = matches!(digits.first(), Some(b'2'..=b'5'));
    let numbers = digits.iter().all(u8::is_ascii_digit);
    let ends = !rest.first().is_some_and(u8::is_ascii_digit);
    let number = |code, digit: &u8| code * 10 + u16::from(digit - b'0');
    (known && numbers && ends).then(|| (digits.iter().fold(0, number), rest))
}

/// The enhanced code that a line begins with. It must agree with the code (RFC 2034, 4).
fn enhanced(line: &str, code: u16) -> Option<(u16, u16)> {
    let word = line.split_whitespace().next()?.trim_end_matches([':', ';', ',']);
    let mut parts = word.split('.').map(|part| part.parse::<u16>().ok());
    let (class, subject, detail) = (parts.next()??, parts.next()??, parts.next()??);
    (class == code / 100 && parts.next().is_none()).then_some((subject, detail))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Option<Answer> {
        let mut reading = Reading::default();
        for line in bytes.split(|byte| *byte == b'\n') {
            if reading.take(line) {
                break;
            }
        }
        reading.finish()
    }

    #[test]
    fn the_code_is_read_whatever_the_words() {
        let table: [(&[u8], &str, u16); 14] = [
            (b"250 2.0.0 OK\r\n", "2.0.0", 250),
            (b"250\r\n", "250", 250),
            (b"250\n", "250", 250),
            (b"250 \xd3\xca\xbc\xfe\r\n", "250", 250),
            (b"550 5.1.1 Bo\xeete inexistante\r\n", "5.1.1", 550),
            (b"571 5.7.1 Message refused\r\n", "5.7.1", 571),
            (b"471 4.7.1 Greylisted\r\n", "4.7.1", 471),
            (b"299 what is this\r\n", "299", 299),
            (b"250-first\r\n250 2.1.5 last\r\n", "2.1.5", 250),
            (b"250-\r\n250-\r\n250\r\n", "250", 250),
            (b"550-5.7.25 one\r\n550 5.7.25 two\r\n", "5.7.25", 550),
            (b"  220 a space before it\r\n", "220", 220),
            (b"550 4.2.2 codes that disagree\r\n", "550", 550),
            (b"welcome\r\n\r\n220 at last\r\n", "220", 220),
        ];
        for (bytes, status, code) in table {
            let answer = read(bytes).unwrap_or_else(|| panic!("{bytes:?}"));
            assert_eq!((answer.status.to_string().as_str(), answer.status.code), (status, code));
        }
    }

    #[test]
    fn an_answer_that_breaks_off_behind_its_code_has_said_it() {
        assert_eq!(read(b"250-OK").unwrap().status.code, 250);
        for bytes in [&b"25"[..], b"", b"2500 what", b"150 going on", b"900 no", b"HTTP/1.1 400"] {
            assert_eq!(read(bytes), None, "{bytes:?}");
        }
    }

    #[test]
    fn words_are_the_lines_without_their_code() {
        let answer = read(b"550-5.1.1 no\r\n550 mailbox\r\n").unwrap();
        assert_eq!(answer.to_string(), "550 5.1.1 no mailbox");
    }
}
