//! What verify makes of rows that `parked purge` has removed.

use events_schema::{RecordPosition, Topic};
use sqlx::PgPool;

use super::fixture::{prepared, run, story};
use super::projection::Projection;
use super::snapshot;
use super::tests::{differences, park, parked_line, record_of};
use crate::testing::placed;

#[sqlx::test]
async fn a_record_that_was_purged_is_left_out_as_a_discarded_one_is(pool: PgPool) {
    prepared(&pool).await;
    let (mut story, record) = (story(), record_of(placed(6).into()));
    park(&pool, &record).await;
    let purge = "WITH gone AS (DELETE FROM analytics.parked RETURNING *)
        INSERT INTO analytics.audit (actor, action, topic, partition, record_offset, parked_id,
            subject, detail)
        SELECT 'ada', 'purged', topic, partition, record_offset, id, subject,
            jsonb_build_object('topic_id', topic_id) FROM gone";
    run(&pool, purge).await;
    let place = RecordPosition { topic: Topic::Orders, partition: 1, offset: 0 };
    let mut admin = pool.acquire().await.unwrap();
    let read = snapshot::parked(&mut admin, &[Projection::Analytics], str::to_owned).await.unwrap();
    assert_eq!(read, [place].into(), "the log is asked what stood there");
    story.parked.insert(place, record.clone());
    let of_six = "analytics.customers customer-6 USD  Postgres has this row, the log does not";
    let found = differences(&pool, Projection::Analytics, &story).await;
    assert!(found.iter().any(|line| line.contains(of_six)), "{found:#?}");
    assert_eq!(parked_line(&pool, &story).await, "parked 0, 1 discarded");

    // Its position was set back, and it parked again.
    park(&pool, &record).await;
    assert_eq!(parked_line(&pool, &story).await, "parked 1, 1 on the database's word");
}
