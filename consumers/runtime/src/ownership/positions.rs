//! The positions in Postgres: taken with a new epoch, moved by compare-and-set. Decides nothing.

use std::collections::{HashMap, HashSet};

use events_schema::Topic;
use postgres_client::{CONVERSATION, within};
use sqlx::{PgConnection, PgExecutor, PgPool};

use crate::error::StoreError;
use crate::ownership::owned_partitions::PositionMove;
use crate::ownership::stop::Stop;
use crate::partition::{Epoch, Offset, Start, TopicPartition};
use crate::topic_names::TopicNames;

/// A position as it was taken.
#[derive(Debug, Clone)]
pub(crate) struct TakenPosition {
    pub key: TopicPartition,
    /// The topic's id when the position was first made.
    pub topic_id: String,
    pub start: Start,
    /// Its breaker was open: what comes next is a probe.
    pub tripped: bool,
    /// Below this offset an operator wants everything parked that does not succeed.
    pub admit_below: Offset,
}

/// Whether the database is there and has the runtime's tables: a worker joins its group only then.
pub(crate) async fn probe(pool: &PgPool) -> Result<(), StoreError> {
    let probe = sqlx::query("SELECT 1 FROM positions LIMIT 1").execute(pool);
    Ok(within(CONVERSATION, probe).await.map(drop)?)
}

/// Takes positions: whoever held them before can move them no more. A position that does not exist
/// yet is made at offset 0. Waits for a transaction of the last owner that is under way.
pub(crate) async fn take(
    pool: &PgPool,
    names: &TopicNames,
    topic_ids: &HashMap<String, String>,
    keys: &[TopicPartition],
) -> Result<Vec<TakenPosition>, StoreError> {
    // In key order, so that two workers that take overlapping sets cannot deadlock.
    let mut keys = keys.to_vec();
    keys.sort_unstable();
    let topics: Vec<&str> = keys.iter().map(|key| names.name(key.topic)).collect();
    let partitions: Vec<i32> = keys.iter().map(|key| key.number()).collect();
    let ids: Vec<&str> = topics.iter().map(|topic| id_of(topic_ids, topic)).collect();
    let taken = sqlx::query_as(
        "INSERT INTO positions (topic, partition, topic_id, epoch, next_offset)
         SELECT topic, partition, topic_id, 1, 0
         FROM unnest($1::text[], $2::int[], $3::text[]) AS new (topic, partition, topic_id)
         ON CONFLICT (topic, partition) DO UPDATE
             SET epoch = positions.epoch + 1, updated_at = clock_timestamp()
         RETURNING topic, partition, topic_id, epoch, next_offset, tripped, admit_below",
    )
    .bind(&topics)
    .bind(&partitions)
    .bind(&ids);
    let rows: Vec<TakenRow> = within(CONVERSATION, taken.fetch_all(pool)).await?;
    let taken = rows.into_iter().filter_map(|row| {
        let (topic, partition, topic_id, epoch, next, tripped, admit_below) = row;
        let key = TopicPartition::new(names.topic(&topic)?, partition);
        let (start, admit_below) = (start(epoch, next), Offset(admit_below));
        Some(TakenPosition { key, topic_id, start, tripped, admit_below })
    });
    Ok(taken.collect())
}

/// Topic, partition, topic id, epoch, next offset, tripped, admit below.
type TakenRow = (String, i32, String, i64, i64, bool, i64);

fn start(epoch: i64, next: i64) -> Start {
    Start { epoch: Epoch(epoch), next: Offset(next) }
}

fn id_of<'a>(ids: &'a HashMap<String, String>, topic: &str) -> &'a str {
    ids.get(topic).map_or("", String::as_str)
}

/// Moves positions inside the batch's transaction. Says whether anything is parked that may block a
/// record of the batch: the statement may have waited for the last owner of a partition, but whoever
/// parked something meanwhile has moved the position, and this fails.
///
/// # Errors
/// [`StoreError::Fenced`] when a position is not where this worker left it.
pub(crate) async fn advance(
    conn: &mut PgConnection,
    names: &TopicNames,
    moves: &[PositionMove],
) -> Result<bool, StoreError> {
    let topics: Vec<&str> = moves.iter().map(|moved| names.name(moved.key.topic)).collect();
    let partitions: Vec<i32> = moves.iter().map(|moved| moved.key.number()).collect();
    let epochs: Vec<i64> = moves.iter().map(|moved| moved.epoch.0).collect();
    let froms: Vec<i64> = moves.iter().map(|moved| moved.from.0).collect();
    let tos: Vec<i64> = moves.iter().map(|moved| moved.to.0).collect();
    let (moved, is_parked): (i64, bool) = sqlx::query_as(
        "WITH moved AS (
             UPDATE positions AS p
             SET next_offset = s.next, stopped = NULL, updated_at = clock_timestamp()
             FROM unnest($1::text[], $2::int[], $3::bigint[], $4::bigint[], $5::bigint[])
                 AS s (topic, partition, epoch, before, next)
             WHERE p.topic = s.topic AND p.partition = s.partition
               AND p.epoch = s.epoch AND p.next_offset = s.before
             RETURNING 1)
         SELECT (SELECT count(*) FROM moved),
                EXISTS (SELECT FROM parked WHERE state <> 'discarded' AND subject IS NOT NULL)",
    )
    .bind(&topics)
    .bind(&partitions)
    .bind(&epochs)
    .bind(&froms)
    .bind(&tos)
    .fetch_one(conn)
    .await?;
    if moved == moves.len() as i64 { Ok(is_parked) } else { Err(StoreError::Fenced) }
}

/// Notes why partitions stop: a tripped breaker for their next owner, the state for the operator. What
/// is another worker's meanwhile is left alone.
pub(crate) async fn note_stops(
    conn: impl PgExecutor<'_>,
    names: &TopicNames,
    stops: &[(TopicPartition, Epoch, Stop)],
) -> Result<(), StoreError> {
    if stops.is_empty() {
        return Ok(());
    }
    let topics: Vec<&str> = stops.iter().map(|(key, ..)| names.name(key.topic)).collect();
    let partitions: Vec<i32> = stops.iter().map(|(key, ..)| key.number()).collect();
    let epochs: Vec<i64> = stops.iter().map(|(_, epoch, _)| epoch.0).collect();
    let states: Vec<&str> = stops.iter().map(|(.., stop)| stop.state()).collect();
    let is_tripped = |stop: &Stop| matches!(stop, Stop::Tripped { .. });
    let tripped: Vec<bool> = stops.iter().map(|(.., stop)| is_tripped(stop)).collect();
    sqlx::query(
        "UPDATE positions AS p SET tripped = p.tripped OR s.tripped, stopped = s.state
         FROM unnest($1::text[], $2::int[], $3::bigint[], $4::text[], $5::bool[])
             AS s (topic, partition, epoch, state, tripped)
         WHERE p.topic = s.topic AND p.partition = s.partition AND p.epoch = s.epoch",
    )
    .bind(&topics)
    .bind(&partitions)
    .bind(&epochs)
    .bind(&states)
    .bind(&tripped)
    .execute(conn)
    .await?;
    Ok(())
}

/// Closes the breakers of partitions that [`advance`] has moved, in its transaction.
pub(crate) async fn close_breakers(
    conn: &mut PgConnection,
    names: &TopicNames,
    keys: &[TopicPartition],
) -> Result<(), StoreError> {
    if keys.is_empty() {
        return Ok(());
    }
    let topics: Vec<&str> = keys.iter().map(|key| names.name(key.topic)).collect();
    let partitions: Vec<i32> = keys.iter().map(|key| key.number()).collect();
    sqlx::query(
        "UPDATE positions AS p SET tripped = false
         FROM unnest($1::text[], $2::int[]) AS k (topic, partition)
         WHERE p.topic = k.topic AND p.partition = k.partition",
    )
    .bind(&topics)
    .bind(&partitions)
    .execute(conn)
    .await?;
    Ok(())
}

/// Where these positions stand now, for those whose epoch is still the move's and that did not move
/// back: after a commit whose answer was lost, they have moved without this worker's knowledge. A
/// position that is lower than this worker left it stands in a database that lost commits: what
/// lies between has to be fetched again.
pub(crate) async fn still_held(
    pool: &PgPool,
    names: &TopicNames,
    moves: &[PositionMove],
) -> Result<HashMap<TopicPartition, Offset>, StoreError> {
    let topics: HashSet<Topic> = moves.iter().map(|moved| moved.key.topic).collect();
    let topics: Vec<&str> = topics.into_iter().map(|topic| names.name(topic)).collect();
    let held = sqlx::query_as(
        "SELECT topic, partition, epoch, next_offset FROM positions WHERE topic = ANY($1)",
    )
    .bind(&topics);
    let rows: Vec<(String, i32, i64, i64)> = within(CONVERSATION, held.fetch_all(pool)).await?;
    let held = rows.into_iter().filter_map(|(topic, partition, epoch, next)| {
        let key = TopicPartition::new(names.topic(&topic)?, partition);
        let now = start(epoch, next);
        let mut of_this = moves.iter().filter(|moved| moved.key == key && moved.epoch == now.epoch);
        of_this.any(|moved| now.next >= moved.from).then_some((key, now.next))
    });
    Ok(held.collect())
}
