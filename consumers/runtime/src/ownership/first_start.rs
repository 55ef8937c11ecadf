//! A first start: a projection that has no position at all begins by itself only where there is no
//! past. Otherwise an operator says whether what is in the log is to be done again. Moves no position.

use std::sync::Arc;
use std::time::Duration;

use events_schema::Topic;
use kafka_client::watermarks;
use postgres_client::{CONVERSATION, within};
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::KafkaError;
use sqlx::PgPool;

use crate::error::StoreError;
use crate::ownership::claim::{self, ClaimError};
use crate::topic_names::TopicNames;

/// A broker that does not answer within this will not.
const BROKER: Duration = Duration::from_secs(5);

/// Where a partition of a topic begins, in a log that holds nothing.
#[derive(Debug, Default)]
struct Beginnings {
    topics: Vec<String>,
    partitions: Vec<i32>,
    nexts: Vec<i64>,
}

/// Begins where there is no past. The whole table counts and not the topic: where a projection stands
/// anywhere, what it has no position of is new to it, and begins at offset 0.
///
/// # Errors
/// [`ClaimError::Unstarted`] where an operator has to say where it begins.
pub(crate) async fn begin<C: ConsumerContext + 'static>(
    pool: &PgPool,
    consumer: &Arc<BaseConsumer<C>>,
    names: &TopicNames,
    topics: &[Topic],
) -> Result<(), ClaimError> {
    if within(CONVERSATION, stands_anywhere(pool)).await? {
        return Ok(());
    }
    let topics = claim::names_of(names, topics.iter().copied());
    let asked = Arc::clone(consumer);
    let asking = tokio::task::spawn_blocking(move || {
        let beginnings = beginnings(&asked, &topics)?;
        Ok::<_, ClaimError>((beginnings, claim::ask_topic_ids(&asked, &topics)?))
    });
    let (beginnings, ids) = asking.await??;
    let empty = beginnings.ok_or(ClaimError::Unstarted)?;
    let of = |topic| ids.get(topic).map_or("", String::as_str);
    let ids: Vec<&str> = empty.topics.iter().map(of).collect();
    Ok(within(CONVERSATION, stand_at(pool, &empty, &ids)).await?)
}

async fn stands_anywhere(pool: &PgPool) -> Result<bool, StoreError> {
    let any = sqlx::query_scalar("SELECT EXISTS (SELECT FROM positions)");
    Ok(any.fetch_one(pool).await?)
}

/// `None` where a log holds something. Blocks.
fn beginnings<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    topics: &[String],
) -> Result<Option<Beginnings>, KafkaError> {
    let mut empty = Beginnings::default();
    for topic in topics {
        let metadata = consumer.fetch_metadata(Some(topic), BROKER)?;
        let found = metadata.topics().iter().filter(|found| found.name() == topic);
        let found = found.flat_map(|topic| topic.partitions());
        let numbers: Vec<i32> = found.map(|partition| partition.id()).collect();
        let marks = watermarks(consumer, topic, &numbers, BROKER)?;
        for (number, (start, end)) in numbers.into_iter().zip(marks) {
            if start < end {
                return Ok(None);
            }
            empty.topics.push(topic.clone());
            empty.partitions.push(number);
            empty.nexts.push(end);
        }
    }
    Ok(Some(empty))
}

/// All of them at once: from now on the projection has started, whatever comes. Another process may
/// do the same at this moment, and an operator may have said otherwise: what is there stays.
async fn stand_at(pool: &PgPool, empty: &Beginnings, ids: &[&str]) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO positions (topic, partition, topic_id, epoch, next_offset)
         SELECT topic, partition, topic_id, 0, next_offset
         FROM unnest($1::text[], $2::int[], $3::text[], $4::bigint[])
             AS new (topic, partition, topic_id, next_offset)
         WHERE NOT EXISTS (SELECT FROM positions)
         ON CONFLICT DO NOTHING",
    )
    .bind(&empty.topics)
    .bind(&empty.partitions)
    .bind(ids)
    .bind(&empty.nexts)
    .execute(pool)
    .await?;
    Ok(())
}
