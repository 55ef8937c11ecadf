//! Batches that must not be committed as they are, though nothing is wrong with the database.

use events_schema::Topic;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use super::super::ApplyError;
use super::{NEXT, PARKED, Setting, poison, record};
use crate::batch::decide_batch::Outcomes;
use crate::batch::partition_breaker::{PartitionBreaker, PartitionBreakers};
use crate::ownership::positions;
use crate::ownership::stop::Stop;
use crate::partition::{Offset, TopicPartition};
use crate::record::Record;
use crate::settings::ParkedLimits;

impl Setting {
    /// As the worker that holds the partition.
    async fn note(&self, key: TopicPartition, stop: Stop) {
        let held = [(key, self.owned.get(key).unwrap().epoch, stop)];
        positions::note_stops(&self.pool, &self.names, &held).await.unwrap();
    }
}

fn stops(failed: Result<Outcomes, ApplyError>) -> Vec<String> {
    match failed {
        Err(ApplyError::Stop(stops)) => {
            stops.into_iter().map(|(_, stop)| stop.to_string()).collect()
        }
        other => panic!("{other:?}"),
    }
}

#[sqlx::test]
async fn a_record_beyond_the_limit_does_not_park(pool: PgPoolOptions, options: PgConnectOptions) {
    let mut setting = Setting::new(pool, options).await;
    setting.limits = ParkedLimits { per_subject: 2, total: 3 };
    setting.apply(&[poison(0, Some("a")), record(1, "a", 1)]).await.unwrap();
    let of_a = [record(2, "b", 1), record(3, "a", 1)];
    let moves = setting.owned.moves(&of_a);
    let full = stops(setting.try_to(&moves, &of_a).await);
    assert_eq!(full, ["parked_full: more than 2 of a (PARKED_PER_SUBJECT_MAX)"]);
    let several = [poison(2, None), poison(3, None)];
    let moves = setting.owned.moves(&several);
    let full = stops(setting.try_to(&moves, &several).await);
    assert_eq!(full, ["parked_full: more than 3 records would be parked (PARKED_MAX)"]);
    assert_eq!(setting.number(NEXT).await, 2, "nothing of either batch is there");
    // What somebody has dealt with makes room.
    let discard = "UPDATE parked SET state = 'discarded' WHERE subject = 'a'";
    sqlx::raw_sql(discard).execute(&setting.pool).await.unwrap();
    let more = [record(2, "a", 1), poison(3, Some("a")), poison(4, None)];
    let outcomes = setting.apply(&more).await.unwrap();
    assert_eq!(outcomes, Outcomes { applied: 1, rejected: 2, ..Default::default() });
}

#[sqlx::test]
async fn a_breaker_that_trips_parks_nothing_and_closes_with_the_batch_that_succeeds(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let mut setting = Setting::new(pool, options).await;
    setting.breakers = PartitionBreakers::new(3);
    let broken: Vec<Record> = (0..3).map(|offset| poison(offset, None)).collect();
    let moves = setting.owned.moves(&broken);
    let tripped = stops(setting.try_to(&moves, &broken).await);
    assert!(tripped[0].contains("since 3 records were rejected, the last one as undecodable"));
    assert_eq!(setting.number(PARKED).await, 0);
    // The next process finds the breaker open, and its first batch is a probe.
    let key = TopicPartition::new(Topic::Stock, 0);
    setting.note(key, Stop::Tripped { rejected: 3, cause: "undecodable" }).await;
    setting.take().await;
    setting.breakers.set(key, PartitionBreaker::new(true, Offset(0)));
    let probe = vec![poison(0, None), record(1, "a", 1)];
    let moves = setting.owned.moves(&probe[..1]);
    assert_eq!(stops(setting.try_to(&moves, &probe[..1]).await).len(), 1);
    let outcomes = setting.apply(&probe).await.unwrap();
    assert_eq!(outcomes, Outcomes { applied: 1, rejected: 1, ..Default::default() });
    assert_eq!(setting.number("SELECT count(*) FROM positions WHERE tripped").await, 0);
}

#[sqlx::test]
async fn refusals_never_trip_a_partition_and_close_its_probe(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let mut setting = Setting::new(pool, options).await;
    let key = TopicPartition::new(Topic::Stock, 0);
    setting.breakers = PartitionBreakers::new(3);
    setting.note(key, Stop::Tripped { rejected: 3, cause: "undecodable" }).await;
    setting.take().await;
    setting.breakers.set(key, PartitionBreaker::new(true, Offset(0)));
    let refused: Vec<Record> = (0..9).map(|offset| record(offset, "a", -13)).collect();
    let outcomes = setting.apply(&refused).await.unwrap();
    assert_eq!(outcomes, Outcomes { refused: 9, ..Default::default() });
    assert_eq!(setting.number(PARKED).await, 0);
    assert_eq!(setting.number("SELECT count(*) FROM positions WHERE tripped").await, 0);
}

#[sqlx::test]
async fn why_a_partition_stopped_is_noted_until_it_moves_by_the_worker_that_holds_it(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    const STOPPED: &str = "SELECT count(*) FROM positions WHERE stopped = 'unreadable'";
    let mut setting = Setting::new(pool, options).await;
    let key = TopicPartition::new(Topic::Stock, 0);
    setting.note(key, Stop::Unreadable { next: Offset(0) }).await;
    assert_eq!(setting.number(STOPPED).await, 1);
    setting.apply(&[record(0, "a", 1)]).await.unwrap();
    assert_eq!(setting.number(STOPPED).await, 0, "it went on");
    let former = setting.owned.get(key).unwrap().epoch;
    setting.take().await;
    let late = [(key, former, Stop::Unreadable { next: Offset(1) })];
    positions::note_stops(&setting.pool, &setting.names, &late).await.unwrap();
    assert_eq!(setting.number(STOPPED).await, 0, "another worker holds it");
}
