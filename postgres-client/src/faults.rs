//! A defect put in on purpose, behind the test-only feature `faults` of `chassis`: `scripts/chaos --prove`
//! shows that it is noticed.

use chassis::faults::active;

/// A connection is lent again whatever was seen of it.
pub(crate) fn lend_dead_connections() -> bool {
    // A pool that mends itself is ready within seconds, wherever readiness looks.
    active("lend-dead-connections") || active("ready-beside-the-pool")
}
