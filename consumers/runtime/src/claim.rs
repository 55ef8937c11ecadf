//! Where a worker starts the partitions that the group gave it: at their positions in Postgres, if
//! these fit the log. Blocks nowhere but on the broker and the database.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use chassis::topic_ids::{TopicIdError, topic_ids};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use sqlx::PgPool;

use crate::error::StoreError;
use crate::gap::{Gap, LogState};
use crate::group::GroupContext;
use crate::lanes::LaneKey;
use crate::positions::{self, Taken};
use crate::topic_names::TopicNames;

/// How long the broker may take for one answer.
const BROKER: Duration = Duration::from_secs(5);

/// Where a partition starts: its epoch and next offset, or not at all.
#[derive(Debug)]
pub(crate) struct Claimed {
    pub key: LaneKey,
    pub start: Option<(i64, i64)>,
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
    #[error("the claim was interrupted")]
    Interrupted(#[from] tokio::task::JoinError),
}

/// Takes the positions and compares each with the log.
pub(crate) async fn claim(
    pool: &PgPool,
    consumer: &Arc<BaseConsumer<GroupContext>>,
    names: &TopicNames,
    keys: &[LaneKey],
) -> Result<Vec<(Taken, Option<Gap>)>, ClaimError> {
    // A cooperative rebalance often gives nothing new.
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let logs = {
        let (consumer, names, keys) = (Arc::clone(consumer), names.clone(), keys.to_vec());
        tokio::task::spawn_blocking(move || ask_broker(&consumer, &names, &keys)).await??
    };
    let ids = logs.iter().map(|(key, log)| (names.name(key.0).to_owned(), log.topic_id.clone()));
    let taken = positions::take(pool, names, &ids.collect(), keys).await?;
    let compare = |taken: Taken| {
        let gap = logs.get(&taken.key).and_then(|l| Gap::between(taken.next, &taken.topic_id, l));
        (taken, gap)
    };
    Ok(taken.into_iter().map(compare).collect())
}

fn ask_broker(
    consumer: &BaseConsumer<GroupContext>,
    names: &TopicNames,
    keys: &[LaneKey],
) -> Result<HashMap<LaneKey, LogState>, ClaimError> {
    let mut topics: Vec<String> = keys.iter().map(|key| names.name(key.0).to_owned()).collect();
    topics.sort_unstable();
    topics.dedup();
    let ids = topic_ids(consumer.client(), &topics, BROKER)?;
    let mut logs = HashMap::new();
    for key in keys {
        let name = names.name(key.0);
        let (log_start, log_end) = consumer.fetch_watermarks(name, key.1, BROKER)?;
        let topic_id = ids.get(name).cloned().unwrap_or_default();
        logs.insert(*key, LogState { topic_id, log_start, log_end });
    }
    Ok(logs)
}
