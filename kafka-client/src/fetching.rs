//! Partitions of one topic that the client fetches, and the queue that it puts them into. A member of a
//! group gets its records by the Rust client, one with each call: its lock, two looks at the clock and an
//! event cost as much as the record. Here is no group, and a call takes what is there.

use std::ffi::CString;
use std::ptr;
use std::ptr::NonNull;
use std::time::Duration;

use rdkafka::client::Client;
use rdkafka::consumer::DefaultConsumerContext;
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka_sys as sys;

use crate::fetched::FetchedRecord;

/// Most records that one call takes.
const AT_ONCE: usize = 64;

/// The room for them.
type Room = [*mut sys::rd_kafka_message_t; AT_ONCE];

/// Where the client puts what it fetches. Must be dropped before the client.
pub(crate) struct FetchQueue(NonNull<sys::rd_kafka_queue_t>);

#[expect(unsafe_code, reason = "the C client's memory belongs to no thread")]
// SAFETY: the C client's calls are safe from any thread.
unsafe impl Send for FetchQueue {}
#[expect(unsafe_code, reason = "the C client's memory belongs to no thread")]
// SAFETY: as above, also from several at once.
unsafe impl Sync for FetchQueue {}

impl FetchQueue {
    #[expect(unsafe_code, reason = "the C client's call")]
    pub(crate) fn new(client: &Client<DefaultConsumerContext>) -> KafkaResult<Self> {
        // SAFETY: the client is alive.
        let queue = unsafe { sys::rd_kafka_queue_new(client.native_ptr()) };
        let refused = || KafkaError::ClientCreation("the client made no queue".to_owned());
        NonNull::new(queue).map(Self).ok_or_else(refused)
    }

    /// Hands over what is there, or comes within `wait`: at most so many records, or a few more than so
    /// many bytes.
    pub(crate) fn take<'a>(
        &'a self,
        wait: Duration,
        (records, bytes): (usize, usize),
        mut each: impl FnMut(KafkaResult<FetchedRecord<'a>>),
    ) {
        let mut room = [ptr::null_mut(); AT_ONCE];
        // A call that waits does so until it has as many as it asked for.
        let mut taken = self.some(Duration::ZERO, records.min(AT_ONCE), &mut room);
        if taken == 0 {
            taken = self.some(wait, 1, &mut room);
        }
        let (mut found, mut size) = (0, 0);
        while taken > 0 {
            for message in room.iter().take(taken).copied().filter_map(NonNull::new) {
                let record = FetchedRecord::of(message);
                size += record.as_ref().map_or(0, FetchedRecord::size);
                each(record);
            }
            found += taken;
            if found >= records || size >= bytes {
                break;
            }
            taken = self.some(Duration::ZERO, (records - found).min(AT_ONCE), &mut room);
        }
    }

    #[expect(unsafe_code, reason = "the C client's call")]
    fn some(&self, wait: Duration, most: usize, room: &mut Room) -> usize {
        let (queue, start, most) = (self.0.as_ptr(), room.as_mut_ptr(), most.min(AT_ONCE));
        let millis = i32::try_from(wait.as_millis()).unwrap_or(i32::MAX);
        // SAFETY: the queue is alive, and there is room for as many as are asked for.
        let taken = unsafe { sys::rd_kafka_consume_batch_queue(queue, millis, start, most) };
        usize::try_from(taken).unwrap_or_default()
    }
}

impl Drop for FetchQueue {
    #[expect(unsafe_code, reason = "the C client's call")]
    fn drop(&mut self) {
        // SAFETY: nobody else has it.
        unsafe { sys::rd_kafka_queue_destroy(self.0.as_ptr()) }
    }
}

/// A topic of which partitions are fetched. Stops when it is dropped, which must be before the client is.
pub(crate) struct FetchedTopic {
    topic: NonNull<sys::rd_kafka_topic_t>,
    partitions: Vec<i32>,
}

#[expect(unsafe_code, reason = "the C client's memory belongs to no thread")]
// SAFETY: the C client's calls are safe from any thread.
unsafe impl Send for FetchedTopic {}

impl FetchedTopic {
    #[expect(unsafe_code, reason = "the C client's call")]
    pub(crate) fn new(client: &Client<DefaultConsumerContext>, name: &str) -> KafkaResult<Self> {
        let name = CString::new(name)?;
        // SAFETY: the client is alive, the name ends with a zero and is copied.
        let topic =
            unsafe { sys::rd_kafka_topic_new(client.native_ptr(), name.as_ptr(), ptr::null_mut()) };
        let topic = NonNull::new(topic).ok_or_else(last_error)?;
        Ok(Self { topic, partitions: vec![] })
    }

    /// Fetches this partition from this offset on, into the queue.
    #[expect(unsafe_code, reason = "the C client's call")]
    pub(crate) fn start(
        &mut self,
        partition: i32,
        offset: i64,
        queue: &FetchQueue,
    ) -> KafkaResult<()> {
        let (topic, queue) = (self.topic.as_ptr(), queue.0.as_ptr());
        // SAFETY: topic and queue are alive.
        match unsafe { sys::rd_kafka_consume_start_queue(topic, partition, offset, queue) } {
            0 => {
                self.partitions.push(partition);
                Ok(())
            }
            _ => Err(last_error()),
        }
    }

    /// Fetches no more of this partition, and forgets what of it was not taken yet.
    #[expect(unsafe_code, reason = "the C client's call")]
    pub(crate) fn stop(&mut self, partition: i32) {
        let started = self.partitions.len();
        self.partitions.retain(|other| *other != partition);
        if self.partitions.len() < started {
            // SAFETY: the topic is alive, and the partition was started.
            unsafe { sys::rd_kafka_consume_stop(self.topic.as_ptr(), partition) };
        }
    }
}

impl Drop for FetchedTopic {
    #[expect(unsafe_code, reason = "the C client's call")]
    fn drop(&mut self) {
        while let Some(partition) = self.partitions.last().copied() {
            self.stop(partition);
        }
        // SAFETY: nobody else has it.
        unsafe { sys::rd_kafka_topic_destroy(self.topic.as_ptr()) }
    }
}

#[expect(unsafe_code, reason = "the C client's call")]
fn last_error() -> KafkaError {
    // SAFETY: it reads what the call before said on this thread.
    KafkaError::MessageConsumption(RDKafkaErrorCode::from(unsafe { sys::rd_kafka_last_error() }))
}
