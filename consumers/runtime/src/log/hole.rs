//! Offsets behind a position that hold no record: the marker of a transaction, or one that was
//! aborted. A position that stood before them would be behind for ever.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use kafka_client::KafkaSettings;
use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;

use crate::log::unreadable::Fetched;
use crate::partition::{Offset, Partition, TopicPartition};

/// How long the broker may take for one answer.
const BROKER: Duration = Duration::from_secs(3);
const POLL: Duration = Duration::from_millis(100);

/// Partitions whose position stands still before the end. Pure.
#[derive(Debug, Default)]
pub(crate) struct Suspects(BTreeMap<TopicPartition, Offset>);

impl Suspects {
    /// Those that stood there a second ago, too, though everything was fetched: each with its
    /// position. What the client says of itself may be old, so this is a suspicion only.
    pub(crate) fn of(
        &mut self,
        partitions: &[(TopicPartition, Offset, Fetched)],
    ) -> Vec<(TopicPartition, Offset)> {
        let is_before_end = |(_, next, fetched): &&(TopicPartition, Offset, Fetched)| {
            *next < fetched.readable_end
                && fetched.next >= fetched.readable_end
                && fetched.queued == 0
        };
        let now = partitions.iter().filter(is_before_end).map(|(key, next, _)| (*key, *next));
        let now: BTreeMap<TopicPartition, Offset> = now.collect();
        let before = std::mem::replace(&mut self.0, now);
        let stands = |(key, next): (&TopicPartition, &Offset)| {
            (before.get(key) == Some(next)).then_some((*key, *next))
        };
        self.0.iter().filter_map(stands).collect()
    }
}

/// How far the log holds no record from `from` on; `None` where there is one, or nothing more. Asked
/// over a client of its own, which has fetched nothing before. Blocks.
pub(crate) fn end_of_hole(
    kafka: &KafkaSettings,
    topic: &str,
    partition: Partition,
    from: Offset,
) -> Result<Option<Offset>, KafkaError> {
    let consumer: BaseConsumer = kafka.reader("hole").create()?;
    let (_, end) = consumer.fetch_watermarks(topic, partition.0, BROKER)?;
    if end <= from.0 {
        return Ok(None);
    }
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, partition.0, rdkafka::Offset::Offset(from.0))?;
    consumer.assign(&list)?;
    let began = Instant::now();
    while began.elapsed() < BROKER {
        match consumer.poll(POLL) {
            None => {}
            Some(Err(KafkaError::PartitionEOF(_))) => return Ok(Some(Offset(end))),
            Some(Ok(_)) => return Ok(None),
            Some(Err(error)) => return Err(error),
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use events_schema::Topic;

    use super::*;

    const KEY: TopicPartition = TopicPartition::new(Topic::Stock, 0);

    fn asked(looks: &[(i64, i64, i64, i64)]) -> Vec<bool> {
        let mut suspects = Suspects::default();
        let look = |(next, fetched, readable_end, queued): &(i64, i64, i64, i64)| {
            let (fetched, end) = (Offset(*fetched), Offset(*readable_end));
            let fetched = Fetched { next: fetched, readable_end: end, queued: *queued };
            suspects.of(&[(KEY, Offset(*next), fetched)]) == [(KEY, Offset(*next))]
        };
        looks.iter().map(look).collect()
    }

    #[test]
    fn a_position_that_stands_before_the_end_with_all_fetched_is_suspected_at_the_second_look() {
        assert_eq!(asked(&[(5, 7, 7, 0), (5, 7, 7, 0), (5, 7, 7, 0)]), [false, true, true]);
    }

    #[test]
    fn a_position_that_moves_or_waits_or_is_at_the_end_is_not_suspected() {
        assert_eq!(asked(&[(5, 7, 7, 0), (6, 7, 7, 0)]), [false, false]);
        assert_eq!(asked(&[(5, 6, 7, 0), (5, 6, 7, 0)]), [false, false], "not all fetched");
        assert_eq!(asked(&[(5, 7, 7, 2), (5, 7, 7, 2)]), [false, false], "not all taken");
        assert_eq!(asked(&[(7, 7, 7, 0), (7, 7, 7, 0)]), [false, false]);
    }
}
