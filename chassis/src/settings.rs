//! Reads settings from the environment. Knows no setting by name: each concern reads its own.

use std::ops::RangeInclusive;
use std::str::FromStr;

use secrecy::SecretString;

/// A setting that is missing or cannot be read. Never repeats the value: it may be a secret.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
pub enum SettingsError {
    /// It must be set.
    #[error("the environment variable {0} is not set")]
    Missing(&'static str),
    /// It is set to something else.
    #[error("the environment variable {0} must be {1}")]
    Invalid(&'static str, &'static str),
    /// It is no whole number, or one that is too small or too large.
    #[error("the environment variable {0} must be a whole number from {1} to {2}")]
    OutOfRange(&'static str, u64, u64),
    /// It is a list, and what it sets under this name is refused for this reason.
    #[error("the environment variable {0} cannot set {1}: {2}")]
    Refused(&'static str, String, String),
}

/// The value of a variable; an empty one counts as not set.
#[expect(clippy::disallowed_methods, reason = "this is the reader that the rule points to")]
pub fn optional(name: &'static str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The value of a variable that must be set.
///
/// # Errors
/// [`SettingsError::Missing`].
pub fn required(name: &'static str) -> Result<String, SettingsError> {
    optional(name).ok_or(SettingsError::Missing(name))
}

/// The value of a variable that must be set and must not be shown.
///
/// # Errors
/// [`SettingsError::Missing`].
pub fn secret(name: &'static str) -> Result<SecretString, SettingsError> {
    required(name).map(SecretString::from)
}

/// The value of a variable as a `T`, or `default` where it is not set. `expected` completes "must
/// be …".
///
/// # Errors
/// [`SettingsError::Invalid`].
pub fn parsed<T: FromStr>(
    name: &'static str,
    default: T,
    expected: &'static str,
) -> Result<T, SettingsError> {
    match optional(name) {
        None => Ok(default),
        Some(text) => text.parse().map_err(|_| SettingsError::Invalid(name, expected)),
    }
}

/// More of anything that is counted or timed is a mistake: librdkafka, too, takes no more for a queue
/// or a time-out.
const HIGHEST: u64 = 10_000_000;

/// The value of a variable that counts something, from 1 to 10000000.
///
/// # Errors
/// [`SettingsError::OutOfRange`].
pub fn at_least_one<T: TryFrom<u64>>(name: &'static str, default: u64) -> Result<T, SettingsError> {
    within(name, default, 1..=HIGHEST)
}

/// The value of a variable that is a whole number in this range, or `default` where it is not set.
/// The range must fit a `T`.
///
/// # Errors
/// [`SettingsError::OutOfRange`].
pub fn within<T: TryFrom<u64>>(
    name: &'static str,
    default: u64,
    range: RangeInclusive<u64>,
) -> Result<T, SettingsError> {
    let expected = SettingsError::OutOfRange(name, *range.start(), *range.end());
    number(optional(name).as_deref(), default, &range).ok_or(expected)
}

fn number<T: TryFrom<u64>>(
    text: Option<&str>,
    default: u64,
    range: &RangeInclusive<u64>,
) -> Option<T> {
    let number = text.map_or(Some(default), |text| text.parse().ok())?;
    range.contains(&number).then(|| T::try_from(number).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_outside_its_range_is_refused_and_not_mended() {
        let workers = |text| number::<usize>(text, 4, &(1..=64));
        assert_eq!(workers(None), Some(4));
        assert_eq!(workers(Some("1")), Some(1));
        assert_eq!(workers(Some("64")), Some(64));
        for bad in ["0", "65", "-1", "1.5", "one", " 1", "18446744073709551616"] {
            assert_eq!(workers(Some(bad)), None, "{bad}");
        }
        assert_eq!(number::<u8>(Some("300"), 1, &(1..=1000)), None, "more than its type holds");
        let error = SettingsError::OutOfRange("WORKERS", 1, 64).to_string();
        assert_eq!(error, "the environment variable WORKERS must be a whole number from 1 to 64");
    }
}
