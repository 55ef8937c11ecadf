//! Texts that people write, parsed at the border as the other values are. Does no I/O.

use std::fmt;

use compact_str::CompactString;
use serde::{Deserialize, Serialize};

use crate::limits;
use crate::values::{InvalidValue, refuse};

/// Text of 1 to `MAX` characters, not blank, without control characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "CompactString")]
pub struct Text<const MAX: usize>(CompactString);

impl<const MAX: usize> Text<MAX> {
    /// The text as it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<const MAX: usize> TryFrom<String> for Text<MAX> {
    type Error = InvalidValue;
    fn try_from(text: String) -> Result<Self, InvalidValue> {
        Self::try_from(CompactString::from(text))
    }
}

impl<const MAX: usize> TryFrom<CompactString> for Text<MAX> {
    type Error = InvalidValue;
    fn try_from(text: CompactString) -> Result<Self, InvalidValue> {
        // Few texts have more bytes than they may have characters: only those are counted.
        let is_short = text.len() <= MAX || text.chars().nth(MAX).is_none();
        let fits = is_short && !text.trim().is_empty();
        if !fits || text.chars().any(char::is_control) {
            return refuse(format!(
                "text must be 1 to {MAX} characters, not blank, without control characters"
            ));
        }
        Ok(Self(text))
    }
}

/// A person's name. Personal data: its `Debug` form does not show it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PersonName(Text<{ limits::PERSON_NAME_CHARS_MAX }>);

impl PersonName {
    /// The name as it was given.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl TryFrom<String> for PersonName {
    type Error = InvalidValue;
    fn try_from(text: String) -> Result<Self, InvalidValue> {
        Text::try_from(text).map(Self)
    }
}

impl TryFrom<CompactString> for PersonName {
    type Error = InvalidValue;
    fn try_from(text: CompactString) -> Result<Self, InvalidValue> {
        Text::try_from(text).map(Self)
    }
}

impl fmt::Debug for PersonName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PersonName(redacted)")
    }
}

/// An e-mail address of at most 254 ASCII characters. Personal data: its `Debug` form does not
/// show it. Whether somebody reads it only the mail server can tell.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "CompactString")]
pub struct EmailAddress(CompactString);

impl EmailAddress {
    /// The address as it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for EmailAddress {
    type Error = InvalidValue;
    fn try_from(text: String) -> Result<Self, InvalidValue> {
        Self::try_from(CompactString::from(text))
    }
}

impl TryFrom<CompactString> for EmailAddress {
    type Error = InvalidValue;
    fn try_from(text: CompactString) -> Result<Self, InvalidValue> {
        match is_address(text.as_bytes()) {
            true => Ok(Self(text)),
            false => refuse("e-mail must be an address like name@example.com"),
        }
    }
}

/// One `@`, dot-atoms (RFC 5322, 3.2.3) on both sides of it, nothing but what is in use.
fn is_address(bytes: &[u8]) -> bool {
    let Some(at) = bytes.iter().position(|b| *b == b'@') else { return false };
    let (local, domain) = bytes.split_at(at);
    let domain = domain.get(1..).unwrap_or_default();
    bytes.len() <= limits::EMAIL_CHARS_MAX
        && local.len() <= limits::EMAIL_LOCAL_CHARS_MAX
        && is_dot_atom(local)
        && is_dot_atom(domain)
}

/// No dot at either end and no two in a row.
fn is_dot_atom(text: &[u8]) -> bool {
    let mut before = b'.';
    for byte in text {
        let is_allowed = match byte {
            b'.' => before != b'.',
            b'<' | b'>' | b'(' | b')' | b'[' | b']' | b'\\' | b',' | b';' | b':' | b'"' | b'@' => {
                false
            }
            other => other.is_ascii_graphic(),
        };
        if !is_allowed {
            return false;
        }
        before = *byte;
    }
    before != b'.'
}

impl fmt::Debug for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EmailAddress(redacted)")
    }
}
