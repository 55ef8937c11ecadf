//! Where the partitions of a topic begin and end, with one question to each broker instead of one for
//! each partition. Reads no record.

use std::collections::HashMap;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::{Offset, TopicPartitionList};

/// The first offset of each of these partitions and the one behind its last, in the order asked. To a
/// reader of committed records a partition ends where an open transaction begins. Blocks for up to
/// twice `within`.
///
/// # Errors
/// When a broker does not answer in time, or one of the partitions has no leader.
pub fn watermarks<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    topic: &str,
    partitions: &[i32],
    within: Duration,
) -> Result<Vec<(i64, i64)>, KafkaError> {
    if partitions.is_empty() {
        return Ok(Vec::new());
    }
    let ask = |which| ask(consumer, topic, partitions, which, within);
    let (starts, ends) = (ask(Offset::Beginning)?, ask(Offset::End)?);
    Ok(starts.into_iter().zip(ends).collect())
}

fn ask<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    topic: &str,
    partitions: &[i32],
    which: Offset,
    within: Duration,
) -> Result<Vec<i64>, KafkaError> {
    let mut asked = TopicPartitionList::with_capacity(partitions.len());
    for partition in partitions {
        asked.add_partition_offset(topic, *partition, which)?;
    }
    let mut known = HashMap::new();
    for answer in consumer.offsets_for_times(asked, within)?.elements() {
        answer.error()?;
        if let Some(offset @ 0..) = answer.offset().to_raw() {
            known.insert(answer.partition(), offset);
        }
    }
    let unknown = KafkaError::OffsetFetch(RDKafkaErrorCode::UnknownPartition);
    let mark = |partition| known.get(partition).copied().ok_or_else(|| unknown.clone());
    partitions.iter().map(mark).collect()
}
