//! Where a worker starts the partitions that the group gave it: at their positions in Postgres, if
//! these fit the log. Blocks nowhere but on the broker and the database.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use events_schema::Topic;
use kafka_client::{LogState, PositionMisfit, TopicIdError, topic_ids};
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::KafkaError;
use sqlx::PgPool;
use tokio::sync::oneshot;

use crate::error::StoreError;
use crate::ownership::positions::{self, TakenPosition};
use crate::partition::{Start, TopicPartition};
use crate::topic_names::TopicNames;

/// How long the broker may take for one answer.
const BROKER: Duration = Duration::from_secs(3);

/// A partition that the group gave, and who wants to know where it starts.
#[derive(Debug)]
pub(crate) struct Claim {
    pub key: TopicPartition,
    pub answer: oneshot::Sender<Start>,
}

/// Tells the poll thread not to fetch a partition until its start is known again.
#[derive(Debug)]
pub(crate) struct Reclaim {
    pub key: TopicPartition,
    pub start: oneshot::Receiver<Start>,
}

/// Why partitions could not be claimed; try again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClaimError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the broker did not say where the log begins and ends")]
    Kafka(#[from] KafkaError),
    #[error(transparent)]
    TopicId(#[from] TopicIdError),
    /// The log has a past and the projection none: an operator has to say where it begins.
    #[error("the projection has not begun")]
    Unstarted,
    #[error("the claim was interrupted")]
    Interrupted(#[from] tokio::task::JoinError),
}

/// The ids of topics, as the broker has them now.
pub(crate) type TopicIds = HashMap<String, String>;

/// Takes the positions: from now on their last owner is kept out. Says what ids their topics have.
pub(crate) async fn take<C: ConsumerContext + 'static>(
    pool: &PgPool,
    consumer: &Arc<BaseConsumer<C>>,
    names: &TopicNames,
    claims: &[Claim],
) -> Result<(Vec<TakenPosition>, TopicIds), ClaimError> {
    let topics = names_of(names, claims.iter().map(|claim| claim.key.topic));
    let consumer = Arc::clone(consumer);
    let asking = tokio::task::spawn_blocking(move || ask_topic_ids(&consumer, &topics));
    let ids = asking.await??;
    // One that was taken away meanwhile is another worker's.
    let open = claims.iter().filter(|claim| !claim.answer.is_closed());
    let keys: Vec<TopicPartition> = open.map(|claim| claim.key).collect();
    let taken = positions::take(pool, names, &ids, &keys).await?;
    Ok((taken, ids))
}

pub(crate) fn names_of(names: &TopicNames, topics: impl Iterator<Item = Topic>) -> Vec<String> {
    let mut topics: Vec<String> = topics.map(|topic| names.name(topic).to_owned()).collect();
    topics.sort_unstable();
    topics.dedup();
    topics
}

/// Blocks.
pub(crate) fn ask_topic_ids<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    topics: &[String],
) -> Result<TopicIds, TopicIdError> {
    #[cfg(test)]
    if let Some(ids) = crate::tests::ids_of_mock(topics) {
        return Ok(ids);
    }
    topic_ids(consumer.client(), topics, BROKER)
}

/// A position that was taken, and the log that it is to be compared with.
#[derive(Debug)]
pub(crate) struct Check {
    pub claim: Claim,
    pub taken: TakenPosition,
    pub topic: String,
    pub topic_id: String,
}

impl Check {
    /// Asks the broker how far the log goes, and compares. Only after the position was taken: before
    /// that, the last owner may still move it beyond an end that was asked for earlier. Blocks.
    pub(crate) fn misfit<C: ConsumerContext>(
        &self,
        consumer: &BaseConsumer<C>,
    ) -> Result<Option<PositionMisfit>, KafkaError> {
        let partition = self.taken.key.number();
        let (start, end) = consumer.fetch_watermarks(&self.topic, partition, BROKER)?;
        let log = LogState { topic_id: self.topic_id.clone(), start, end };
        Ok(PositionMisfit::between(self.taken.start.next.0, &self.taken.topic_id, &log))
    }
}
