//! Inventory holds what every projection holds.

use std::collections::HashSet;

use events_schema::Event;
use inventory::Inventory;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use runtime::testing::conformance::{self, Tables};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use crate::history;
use crate::sql::{TABLES, fresh};

const KEPT: Tables = Tables {
    all: &TABLES,
    // A cancellation that came too early for its order is seen to be a foreign one once the order is
    // known.
    of_encounters: &["conflicts"],
    passing_columns: &["id", "decided_at", "cancelled_at", "recorded_at"],
};

#[sqlx::test(migrations = false)]
async fn inventory_conforms(pool: PgPoolOptions, options: PgConnectOptions) {
    let pool = fresh(pool, options).await;
    let mut runner = TestRunner::deterministic();
    for _ in 0..6 {
        let mut log = history::any().new_tree(&mut runner).unwrap().current();
        leave_out_second_early_cancellations(&mut log);
        conformance::all::<Inventory>(&pool, KEPT, &log).await;
    }
}

/// Of the cancellations that come before their order the first is kept, whoever sent it: nobody knows
/// yet whose the order is. Delivered again, behind the order, another one may be its customer's.
fn leave_out_second_early_cancellations(log: &mut Vec<Event>) {
    let (mut placed, mut cancelled) = (HashSet::new(), HashSet::new());
    log.retain(|event| match event {
        Event::OrderPlaced(order) => {
            placed.insert(order.order_id);
            true
        }
        Event::OrderCancelRequested(request) => {
            placed.contains(&request.order_id) || cancelled.insert(request.order_id)
        }
        _ => true,
    });
}
