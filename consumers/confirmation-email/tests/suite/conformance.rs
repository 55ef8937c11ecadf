//! The ledger holds what every projection holds.

use confirmation_email::ConfirmationEmail;
use events_schema::Event;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use runtime::testing::conformance::{self, Tables};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use crate::world::{World, cancelled_by, confirmed, named, placed, rejected, settings};

const KEPT: Tables = Tables {
    all: &["orders", "products", "mails"],
    of_encounters: &[],
    passing_columns: &["queued_at", "next_attempt_at", "finished_at"],
};

/// Few orders, so that everything meets everything.
fn log() -> impl Strategy<Value = Vec<Event>> {
    let customer = prop_oneof![3 => Just("household-1"), 1 => Just("stranger")];
    let name = prop::sample::select(&["Apples", "Red apples"][..]);
    let event = prop_oneof![
        3 => (1..9_u128).prop_map(placed),
        3 => (1..9_u128).prop_map(confirmed),
        1 => (1..9_u128).prop_map(rejected),
        1 => (1..9_u128, customer).prop_map(|(n, customer)| cancelled_by(n, customer)),
        1 => name.prop_map(|name| named("A-1", name)),
    ];
    prop::collection::vec(event, 1..40)
}

#[sqlx::test(migrations = false)]
async fn the_ledger_conforms(pool: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(pool, options, settings(([127, 0, 0, 1], 1).into())).await;
    let mut runner = TestRunner::deterministic();
    for _ in 0..6 {
        let log = log().new_tree(&mut runner).unwrap().current();
        conformance::all::<ConfirmationEmail>(&world.pool, KEPT, &log).await;
    }
}
