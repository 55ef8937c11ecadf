//! Arrays that start with room for a typical order: Avro does not say in advance how many entries
//! come, and a vector that grows from nothing moves nine lines twice.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserializer;
use serde::de::{Deserialize, Error, SeqAccess, Visitor};

use crate::event::OrderLine;
use crate::limits;

/// Nine lines is the mean of a real year of baskets.
const TYPICAL: usize = 12;

/// Reads an array into a vector.
pub(crate) fn deserialize<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    deserializer.deserialize_seq(Entries(PhantomData))
}

/// Reads the lines of an order: there is one, and not more than the limit.
pub(crate) fn order_lines<'de, D>(deserializer: D) -> Result<Vec<OrderLine>, D::Error>
where
    D: Deserializer<'de>,
{
    let lines = deserialize(deserializer)?;
    match lines.len() {
        1..=limits::ORDER_LINES_MAX => Ok(lines),
        _ => Err(D::Error::custom(format_args!(
            "an order has 1 to {} lines",
            limits::ORDER_LINES_MAX
        ))),
    }
}

struct Entries<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Entries<T> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Vec<T>, A::Error> {
        let mut read = Vec::with_capacity(TYPICAL);
        while let Some(entry) = entries.next_element()? {
            read.push(entry);
        }
        Ok(read)
    }
}
