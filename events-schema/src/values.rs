//! Values parsed at the border: whoever holds one need not check it again. Does no I/O.

use std::fmt;

use chrono::{DateTime, Utc};
use compact_str::CompactString;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};

use crate::event::OrderLine;
use crate::limits;

/// Why a value was refused. The text is fit for a client: it never repeats the value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidValue(pub(crate) String);

pub(crate) fn refuse<T>(why: impl Into<String>) -> Result<T, InvalidValue> {
    Err(InvalidValue(why.into()))
}

/// Checked byte by byte, because every line of every order passes here.
fn is_identifier(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    (1..=limits::IDENTIFIER_CHARS_MAX).contains(&text.len()) && text.bytes().all(allowed)
}

fn no_identifier<T>(what: &str) -> Result<T, InvalidValue> {
    refuse(format!("{what} must be 1 to {} of A-Z a-z 0-9 . _ -", limits::IDENTIFIER_CHARS_MAX))
}

macro_rules! identifier {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "CompactString")]
        pub struct $name(CompactString);

        impl $name {
            /// The text as it was given.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::str::FromStr for $name {
            type Err = InvalidValue;
            #[inline(always)]
            fn from_str(text: &str) -> Result<Self, InvalidValue> {
                if is_identifier(text) { Ok(Self(text.into())) } else { no_identifier($what) }
            }
        }

        impl TryFrom<CompactString> for $name {
            type Error = InvalidValue;
            fn try_from(text: CompactString) -> Result<Self, InvalidValue> {
                if is_identifier(&text) { Ok(Self(text)) } else { no_identifier($what) }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

identifier!(
    /// Who orders: an opaque id of 1 to 64 of `A-Z a-z 0-9 . _ -`, never personal data.
    CustomerId,
    "customer id"
);
identifier!(
    /// What is sold: 1 to 64 of `A-Z a-z 0-9 . _ -`.
    Sku,
    "sku"
);

/// Reads a number of units that an event counts up to the range of its type.
pub(crate) fn at_least<'de, const MIN: i32, D>(deserializer: D) -> Result<i32, D::Error>
where
    D: Deserializer<'de>,
{
    match i32::deserialize(deserializer)? {
        number if number >= MIN => Ok(number),
        _ => Err(D::Error::custom(format_args!("number of units must be at least {MIN}"))),
    }
}

/// Whether an order may have these lines.
pub(crate) fn is_order(lines: &[OrderLine]) -> bool {
    (1..=limits::ORDER_LINES_MAX).contains(&lines.len())
}

/// Reads the lines of an order: there is one, and not more than the limit.
pub(crate) fn order_lines<'de, D>(deserializer: D) -> Result<Vec<OrderLine>, D::Error>
where
    D: Deserializer<'de>,
{
    let lines = Vec::deserialize(deserializer)?;
    if is_order(&lines) {
        return Ok(lines);
    }
    Err(D::Error::custom(format_args!("an order has 1 to {} lines", limits::ORDER_LINES_MAX)))
}

macro_rules! number {
    ($(#[$doc:meta])* $name:ident($int:ty), $check:expr, $why:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "i64", into = "i64")]
        pub struct $name($int);

        impl $name {
            /// The bare number.
            pub fn get(self) -> $int {
                self.0
            }
        }

        impl TryFrom<i64> for $name {
            type Error = InvalidValue;
            fn try_from(number: i64) -> Result<Self, InvalidValue> {
                let check: fn(i64) -> bool = $check;
                match <$int>::try_from(number) {
                    Ok(fits) if check(number) => Ok(Self(fits)),
                    _ => refuse($why),
                }
            }
        }

        impl From<$name> for i64 {
            fn from(value: $name) -> i64 {
                i64::from(value.0)
            }
        }
    };
}

number!(
    /// Units of one order line: 1 to 1,000,000.
    Quantity(i32),
    |n| (1..=limits::QUANTITY_MAX as i64).contains(&n),
    format!("quantity must be 1 to {}", limits::QUANTITY_MAX)
);
number!(
    /// Units that came to the shelf, or left it (negative); never 0, at most 100,000,000 either way.
    StockDelta(i32),
    |n| n != 0 && n.abs() <= limits::STOCK_DELTA_MAX as i64,
    format!("stock delta must be within {} and not 0", limits::STOCK_DELTA_MAX)
);
number!(
    /// An amount of money in minor units (cents); never negative.
    MoneyMinor(i64),
    |n| n >= 0,
    "an amount of money must not be negative"
);

impl MoneyMinor {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// `self` times `quantity`, or `None` beyond the range of an `i64`.
    pub fn times(self, quantity: Quantity) -> Option<Self> {
        self.0.checked_mul(i64::from(quantity.0)).map(Self)
    }

    /// `self` plus `other`, or `None` beyond the range of an `i64`.
    pub fn plus(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }
}

/// An ISO 4217 code: three capital letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "CompactString", into = "CompactString")]
pub struct Currency([u8; 3]);

impl Currency {
    /// US dollar.
    pub const USD: Self = Self(*b"USD");

    /// The three letters.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("XXX")
    }
}

impl std::str::FromStr for Currency {
    type Err = InvalidValue;
    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        match <[u8; 3]>::try_from(text.as_bytes()) {
            Ok(letters) if letters.iter().all(u8::is_ascii_uppercase) => Ok(Self(letters)),
            _ => refuse("currency must be an ISO 4217 code like USD"),
        }
    }
}

impl TryFrom<CompactString> for Currency {
    type Error = InvalidValue;
    fn try_from(text: CompactString) -> Result<Self, InvalidValue> {
        text.parse()
    }
}

impl From<Currency> for CompactString {
    fn from(currency: Currency) -> CompactString {
        CompactString::new(currency.as_str())
    }
}

/// The language of a customer's mails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(from = "CompactString", into = "CompactString")]
pub enum Locale {
    /// English. Also what a reader makes of a language that it does not know.
    #[default]
    En,
    /// Hebrew, written from right to left.
    He,
}

impl Locale {
    /// The BCP 47 tag.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::He => "he",
        }
    }
}

impl std::str::FromStr for Locale {
    type Err = InvalidValue;
    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        match text {
            "en" => Ok(Self::En),
            "he" => Ok(Self::He),
            _ => refuse("locale must be en or he"),
        }
    }
}

impl From<CompactString> for Locale {
    fn from(tag: CompactString) -> Self {
        tag.parse().unwrap_or_default()
    }
}

impl From<Locale> for CompactString {
    fn from(locale: Locale) -> Self {
        CompactString::const_new(locale.as_str())
    }
}

/// A point in time in microseconds since 1970-01-01T00:00:00Z, within the years 1 to 9999: others
/// have no form in RFC 3339, and not every database stores them.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize,
)]
#[serde(try_from = "i64", into = "i64")]
pub struct Timestamp(i64);

impl Timestamp {
    /// The year 1 begins.
    pub const MIN: Self = Self(-62_135_596_800_000_000);
    /// The year 9999 ends.
    pub const MAX: Self = Self(253_402_300_799_999_999);

    /// From microseconds since 1970; a time beyond the range becomes the nearest within.
    pub fn from_micros(micros: i64) -> Self {
        Self(micros.clamp(Self::MIN.0, Self::MAX.0))
    }

    /// Microseconds since 1970.
    pub fn micros(self) -> i64 {
        self.0
    }

    /// As a calendar date.
    pub fn to_utc(self) -> DateTime<Utc> {
        // Every time of the range is one of chrono's: the default is never taken.
        DateTime::from_timestamp_micros(self.0).unwrap_or_default()
    }
}

impl TryFrom<i64> for Timestamp {
    type Error = InvalidValue;
    fn try_from(micros: i64) -> Result<Self, InvalidValue> {
        match Self::from_micros(micros) {
            time if time.0 == micros => Ok(time),
            _ => refuse("time must be within the years 1 to 9999"),
        }
    }
}

impl From<Timestamp> for i64 {
    fn from(time: Timestamp) -> i64 {
        time.0
    }
}

impl From<DateTime<Utc>> for Timestamp {
    fn from(time: DateTime<Utc>) -> Self {
        Self::from_micros(time.timestamp_micros())
    }
}
