//! Positions in the log as clients say them: `orders:3@42`. Looks nothing up.

use std::fmt;
use std::str::FromStr;

use events_schema::Topic;

/// A record of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Position {
    pub(crate) topic: Topic,
    pub(crate) partition: i32,
    pub(crate) offset: i64,
}

impl Position {
    /// The last record that is applied where the next one is `next_offset`; `None` before the
    /// first.
    pub(crate) fn before(topic: Topic, partition: i32, next_offset: i64) -> Option<Self> {
        let offset = next_offset.checked_sub(1).filter(|offset| *offset >= 0)?;
        Some(Self { topic, partition, offset })
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}@{}", self.topic.name(), self.partition, self.offset)
    }
}

impl FromStr for Position {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse(text).ok_or("must be topic:partition@offset, like orders:3@42")
    }
}

fn parse(text: &str) -> Option<Position> {
    let (topic, place) = text.trim().split_once(':')?;
    let (partition, offset) = place.split_once('@')?;
    Some(Position {
        topic: Topic::ALL.into_iter().find(|known| known.name() == topic)?,
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
            assert_eq!(text.parse::<Position>().unwrap().to_string(), text);
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
            "carts:1@2",
            "orders:1@2@3",
            "orders:4294967296@1",
            "orders:1@9223372036854775808",
            "ORDERS:1@2",
        ] {
            assert!(text.parse::<Position>().is_err(), "{text}");
        }
    }

    #[test]
    fn before_the_first_record_there_is_no_position() {
        assert_eq!(Position::before(Topic::Orders, 1, 0), None);
        assert_eq!(Position::before(Topic::Orders, 1, 8).unwrap().to_string(), "orders:1@7");
    }
}
