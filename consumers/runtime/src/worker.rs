//! The loop: takes what the log gave it, applies it in batches, and stands up again. Nobody knows it but
//! whoever starts it.

pub(crate) mod circuit_breaker;
pub(crate) mod claiming;
pub(crate) mod event_loop;
pub(crate) mod in_doubt;
pub(crate) mod resolving;
pub(crate) mod stopping;
pub(crate) mod supervise;
