//! What a worker asks the database and the brokers so that no batch waits for the answer: where its
//! partitions stand, whether that fits the log, whether the topics are still the same. The statement that
//! takes a position waits for whatever transaction its last owner left. Acts on no answer.

use std::sync::Arc;

use events_schema::Topic;
use kafka_client::{PositionMisfit, TopicIdError};
use rdkafka::consumer::BaseConsumer;
use rdkafka::error::KafkaError;
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::DropGuard;

use crate::log::group::GroupContext;
use crate::log::hole::end_of_hole;
use crate::ownership::claim::{self, Check, Claim, ClaimError, TopicIds};
use crate::ownership::first_start;
use crate::ownership::positions::TakenPosition;
use crate::partition::{Offset, TopicPartition};
use crate::shared::Shared;

pub(crate) enum Answered {
    Positions(Vec<Claim>, Positions),
    Log(Check, Result<Option<PositionMisfit>, KafkaError>),
    TopicIds(Result<TopicIds, TopicIdError>),
    /// How far a partition holds no record from there on.
    Hole(TopicPartition, Offset, Result<Option<Offset>, KafkaError>),
}

/// Positions that were taken and the ids of their topics, or why they were not.
pub(crate) type Positions = Result<(Vec<TakenPosition>, TopicIds), ClaimError>;

pub(crate) struct Background {
    shared: Arc<Shared>,
    consumer: Arc<BaseConsumer<GroupContext>>,
    asked: JoinSet<Answered>,
}

impl Background {
    pub(crate) fn new(shared: Arc<Shared>, consumer: Arc<BaseConsumer<GroupContext>>) -> Self {
        Self { shared, consumer, asked: JoinSet::new() }
    }

    /// The next answer; `None` where nothing is asked.
    pub(crate) async fn answer(&mut self) -> Option<Result<Answered, JoinError>> {
        self.asked.join_next().await
    }

    /// Takes the positions, where the projection has begun. `taking` lasts until it is done.
    pub(crate) fn take_positions(
        &mut self,
        projected: &'static [Topic],
        claims: Vec<Claim>,
        taking: DropGuard,
    ) {
        let (shared, consumer) = (Arc::clone(&self.shared), Arc::clone(&self.consumer));
        self.asked.spawn(async move {
            let _taking = taking;
            let (pool, names) = (&shared.pool, &shared.names);
            let taken = async {
                first_start::begin(pool, &consumer, names, projected).await?;
                claim::take(pool, &consumer, names, &claims).await
            };
            let taken = taken.await;
            Answered::Positions(claims, taken)
        });
    }

    /// Compares a position that was taken with its log.
    pub(crate) fn compare(&mut self, check: Check) {
        let consumer = Arc::clone(&self.consumer);
        self.asked.spawn_blocking(move || {
            let misfit = check.misfit(&*consumer);
            Answered::Log(check, misfit)
        });
    }

    /// Asks which topics are behind the names of these.
    pub(crate) fn ask_topic_ids(&mut self, topics: impl Iterator<Item = Topic>) {
        let topics = claim::names_of(&self.shared.names, topics);
        let consumer = Arc::clone(&self.consumer);
        self.asked
            .spawn_blocking(move || Answered::TopicIds(claim::ask_topic_ids(&*consumer, &topics)));
    }

    pub(crate) fn look_for_hole(&mut self, key: TopicPartition, from: Offset) {
        let kafka = self.shared.settings.kafka.clone();
        let topic = self.shared.names.name(key.topic).to_owned();
        self.asked.spawn_blocking(move || {
            Answered::Hole(key, from, end_of_hole(&kafka, &topic, key.partition, from))
        });
    }
}
