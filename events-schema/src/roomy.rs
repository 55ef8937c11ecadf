//! Arrays that start with room for a typical order: Avro does not say in advance how many entries
//! come, and a vector that grows from nothing moves nine lines twice. Bounds nothing.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserializer;
use serde::de::{Deserialize, SeqAccess, Visitor};

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
