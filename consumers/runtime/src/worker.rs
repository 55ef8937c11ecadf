//! The loop: takes what the log gave it, applies it in batches, and stands up again. Nobody knows it but
//! whoever starts it.

pub(crate) mod applying;
pub(crate) mod background;
pub(crate) mod circuit_breaker;
pub(crate) mod claiming;
pub(crate) mod event_loop;
pub(crate) mod in_doubt;
pub(crate) mod schema_resolver;
pub(crate) mod step_error;
pub(crate) mod supervise;
pub(crate) mod workers;
