//! How a scenario says that a promise was broken, so that the same scenario can be run against a
//! sound build and against one with a fault. Knows no promise.

/// What was promised and not kept.
#[derive(Debug, Clone)]
pub struct Violation(pub String);

/// Holds a promise: `what` says what should have been so.
///
/// # Errors
/// When it does not hold.
pub fn ensure(holds: bool, what: impl Into<String>) -> Result<(), Violation> {
    if holds { Ok(()) } else { Err(Violation(what.into())) }
}
