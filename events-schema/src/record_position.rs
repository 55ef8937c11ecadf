//! Where a record stands in the log, as every API, ledger and report writes it: `orders:3@17`.
//! Looks nothing up.

use std::fmt;
use std::str::FromStr;

use crate::topics::Topic;

/// The address of a record: no other ever stands there, unless the topic is made again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RecordPosition {
    /// In which topic; a deployment's prefix is no part of it.
    pub topic: Topic,
    /// In which partition of it.
    pub partition: i32,
    /// At which offset of that.
    pub offset: i64,
}

/// A text that is no position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be topic:partition@offset, like orders:3@42")]
pub struct InvalidPosition;

impl RecordPosition {
    /// The last record before the next one, `next_offset`; `None` before the first.
    pub fn before(topic: Topic, partition: i32, next_offset: i64) -> Option<Self> {
        let offset = next_offset.checked_sub(1).filter(|offset| *offset >= 0)?;
        Some(Self { topic, partition, offset })
    }
}

impl fmt::Display for RecordPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}@{}", self.topic.name(), self.partition, self.offset)
    }
}

impl FromStr for RecordPosition {
    type Err = InvalidPosition;

    fn from_str(text: &str) -> Result<Self, InvalidPosition> {
        parse(text).ok_or(InvalidPosition)
    }
}

fn parse(text: &str) -> Option<RecordPosition> {
    let (topic, place) = text.split_once(':')?;
    let (partition, offset) = place.split_once('@')?;
    Some(RecordPosition {
        topic: Topic::from_name(topic)?,
        partition: digits(partition)?.parse().ok()?,
        offset: digits(offset)?.parse().ok()?,
    })
}

/// No sign: neither is ever negative.
fn digits(text: &str) -> Option<&str> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_read_as_it_is_written() {
        for text in ["orders:3@42", "products:0@0", "stock:11@9223372036854775807"] {
            assert_eq!(text.parse::<RecordPosition>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "orders",
            "orders:3",
            "orders:@1",
            "orders:1@",
            "orders:-1@2",
            "orders:1@-2",
            "orders:1@+2",
            "orders:1@ 2",
            " orders:1@2",
            "carts:1@2",
            "orders:1@2@3",
            "orders:4294967296@1",
            "orders:1@9223372036854775808",
            "ORDERS:1@2",
        ] {
            assert!(text.parse::<RecordPosition>().is_err(), "{text}");
        }
    }

    #[test]
    fn before_the_first_record_there_is_no_position() {
        let before = |next| RecordPosition::before(Topic::Orders, 1, next);
        assert_eq!(before(0), None);
        assert_eq!(before(8).unwrap().to_string(), "orders:1@7");
    }
}
