//! Analytics holds what every projection holds.

use analytics::Analytics;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use runtime::testing::conformance::{self, Tables};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use crate::laws::log;
use crate::rows::{TABLES, database};

const KEPT: Tables = Tables { all: &TABLES, of_encounters: &[], passing_columns: &[] };

#[sqlx::test]
async fn analytics_conforms(pool: PgPoolOptions, options: PgConnectOptions) {
    let pool = database(pool, options).await;
    let mut runner = TestRunner::deterministic();
    for _ in 0..6 {
        let log = log().new_tree(&mut runner).unwrap().current();
        conformance::all::<Analytics>(&pool, KEPT, &log).await;
    }
}
