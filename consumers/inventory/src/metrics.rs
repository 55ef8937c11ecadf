//! The names of inventory's own metrics, with their handles. Counts in `save`: a batch that is
//! tried again counts again, the tables are exact.

use std::sync::LazyLock;

use metrics::Counter;

use crate::order::Status;

/// Rows of orders written, by `status`.
const ORDERS: &str = "orderflow_inventory_orders_total";
/// Requests without effect that contradict their order: rows of `conflicts`.
const CONFLICTS: &str = "orderflow_inventory_conflicts_total";
/// Stock records that were refused: rows that `stock_refusals` was given.
const REFUSALS: &str = "orderflow_inventory_stock_refusals_total";

static CONFIRMED: LazyLock<Counter> = LazyLock::new(|| of_status(Status::Confirmed));
static REJECTED: LazyLock<Counter> = LazyLock::new(|| of_status(Status::Rejected));
static CANCELLED: LazyLock<Counter> = LazyLock::new(|| of_status(Status::Cancelled));
static CONFLICT: LazyLock<Counter> = LazyLock::new(|| metrics::counter!(CONFLICTS));
static REFUSED: LazyLock<Counter> = LazyLock::new(|| metrics::counter!(REFUSALS));

fn of_status(status: Status) -> Counter {
    metrics::counter!(ORDERS, "status" => status.as_str())
}

/// Counts the row of an order.
pub(crate) fn order(status: Status) {
    match status {
        Status::Confirmed => CONFIRMED.increment(1),
        Status::Rejected => REJECTED.increment(1),
        Status::Cancelled => CANCELLED.increment(1),
    }
}

/// Counts conflicts.
pub(crate) fn conflicts(count: usize) {
    CONFLICT.increment(count as u64);
}

/// Counts refused stock records.
pub(crate) fn refusals(count: usize) {
    REFUSED.increment(count as u64);
}
