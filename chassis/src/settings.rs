//! Reads settings from the environment. Knows no setting by name: each concern reads its own.

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
