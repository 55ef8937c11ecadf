//! The metrics of this crate, besides those of requests: names in one place, handles that are
//! looked up once. Decides nothing.

use std::sync::LazyLock;

use ::metrics::{Counter, Gauge, counter, gauge};

/// Requests that waited for a position, by `outcome`: `reached` or `stale`.
const WAITED: &str = "orderflow_query_waited_total";
/// Requests that wait for a position now.
const WAITING: &str = "orderflow_query_waiting";

static REACHED: LazyLock<Counter> = LazyLock::new(|| counter!(WAITED, "outcome" => "reached"));
static STALE: LazyLock<Counter> = LazyLock::new(|| counter!(WAITED, "outcome" => "stale"));

/// Counts a request that waited.
pub(crate) fn waited(reached: bool) {
    if reached { REACHED.increment(1) } else { STALE.increment(1) }
}

/// How many wait now.
pub(crate) fn waiting() -> Gauge {
    gauge!(WAITING)
}
