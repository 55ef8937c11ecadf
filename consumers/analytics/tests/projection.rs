//! The projection as the runtime uses it. Does not test the runtime.

#[cfg(test)]
#[path = "projection/conformance.rs"]
mod conformance;
#[cfg(test)]
#[path = "projection/decisions.rs"]
mod decisions;
#[cfg(test)]
#[path = "projection/given.rs"]
mod given;
#[cfg(test)]
#[path = "projection/laws.rs"]
mod laws;
#[cfg(test)]
#[path = "projection/rows.rs"]
mod rows;
