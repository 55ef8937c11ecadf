//! Records as the client fetched them, taken from its queue many at a time: the Rust client hands over one
//! with each call, and its lock, two looks at the clock and an event cost as much as the record. Decides
//! nothing about them.

use std::ffi::c_void;
use std::marker::PhantomData;
use std::ptr::NonNull;
use std::{ptr, slice};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::BorrowedMessage;
use rdkafka_sys as sys;

use crate::record_headers::{RecordHeader, headers_of};

/// Most records that are taken from the queue in one go.
const AT_ONCE: usize = 64;

/// A record in the client's memory, from where it is read and not copied. It may be read, and let go, by
/// another thread than the one that fetched it.
pub struct FetchedRecord<'a>(Held<'a>);

enum Held<'a> {
    Polled(BorrowedMessage<'a>),
    Taken(NonNull<sys::rd_kafka_message_t>, PhantomData<&'a ()>),
}

#[expect(unsafe_code, reason = "the C client's memory belongs to no thread")]
// SAFETY: whoever has the record is its only owner, and the C client's calls are safe from any thread.
unsafe impl Send for FetchedRecord<'_> {}

impl<'a> FetchedRecord<'a> {
    pub(crate) fn polled(message: BorrowedMessage<'a>) -> Self {
        Self(Held::Polled(message))
    }

    fn pointer(&self) -> *mut sys::rd_kafka_message_t {
        match &self.0 {
            Held::Polled(message) => message.ptr(),
            Held::Taken(message, _) => message.as_ptr(),
        }
    }

    #[expect(unsafe_code, reason = "the C client's memory")]
    fn message(&self) -> &sys::rd_kafka_message_t {
        // SAFETY: the message lives until this is dropped.
        unsafe { &*self.pointer() }
    }

    /// The partition it stands in.
    pub fn partition(&self) -> i32 {
        self.message().partition
    }

    /// Where in its partition.
    pub fn offset(&self) -> i64 {
        self.message().offset
    }

    /// Its key.
    pub fn key(&self) -> Option<&[u8]> {
        let message = self.message();
        bytes(message.key, message.key_len)
    }

    /// Its value; a tombstone has none.
    pub fn value(&self) -> Option<&[u8]> {
        let message = self.message();
        bytes(message.payload, message.len)
    }

    /// When it was written, in milliseconds since 1970, where that is known.
    #[expect(unsafe_code, reason = "the C client's call")]
    pub fn millis(&self) -> Option<i64> {
        // SAFETY: the message is alive; the kind of the timestamp is not asked for.
        let millis = unsafe { sys::rd_kafka_message_timestamp(self.pointer(), ptr::null_mut()) };
        (millis != -1).then_some(millis)
    }

    /// Its headers, in order.
    pub fn headers(&self) -> Vec<RecordHeader<'_>> {
        headers_of(self.pointer())
    }

    fn size(&self) -> usize {
        let message = self.message();
        message.key_len + message.len
    }
}

impl Drop for FetchedRecord<'_> {
    #[expect(unsafe_code, reason = "the C client's call")]
    fn drop(&mut self) {
        if let Held::Taken(message, _) = self.0 {
            // SAFETY: it came from the queue, and nobody else lets it go.
            unsafe { sys::rd_kafka_message_destroy(message.as_ptr()) }
        }
    }
}

#[expect(unsafe_code, reason = "the C client's memory")]
fn bytes<'a>(start: *const c_void, length: usize) -> Option<&'a [u8]> {
    // SAFETY: what is not null has the length that stands beside it, and lives as long as its message, to
    // which the callers bind it.
    (!start.is_null()).then(|| unsafe { slice::from_raw_parts(start.cast(), length) })
}

/// Where the client puts what it fetched, and what went wrong with a partition.
pub(crate) struct FetchQueue(NonNull<sys::rd_kafka_queue_t>);

#[expect(unsafe_code, reason = "the C client's memory belongs to no thread")]
// SAFETY: the C client's calls are safe from any thread.
unsafe impl Send for FetchQueue {}
#[expect(unsafe_code, reason = "the C client's memory belongs to no thread")]
// SAFETY: as above, also from several at once.
unsafe impl Sync for FetchQueue {}

impl FetchQueue {
    /// Must be dropped before the consumer. None where the consumer has no group.
    #[expect(unsafe_code, reason = "the C client's call")]
    pub(crate) fn of(consumer: &BaseConsumer) -> Option<Self> {
        // SAFETY: the client is alive, and the queue counts who holds it.
        let queue = unsafe { sys::rd_kafka_queue_get_consumer(consumer.client().native_ptr()) };
        NonNull::new(queue).map(Self)
    }

    /// Hands over what is there, without waiting: at most so many records, or a few more than so many
    /// bytes.
    pub(crate) fn take<'a>(
        &'a self,
        (records, bytes): (usize, usize),
        mut each: impl FnMut(Result<FetchedRecord<'a>, KafkaError>),
    ) {
        let mut room = [ptr::null_mut(); AT_ONCE];
        let (mut found, mut size) = (0, 0);
        while found < records && size < bytes {
            let taken = self.some(&mut room);
            let messages = room.iter().take(taken).copied().filter_map(NonNull::new);
            for message in messages {
                let record = FetchedRecord(Held::Taken(message, PhantomData));
                size += record.size();
                each(checked(record));
            }
            found += taken;
            if taken < AT_ONCE {
                break;
            }
        }
    }

    #[expect(unsafe_code, reason = "the C client's call")]
    fn some(&self, room: &mut [*mut sys::rd_kafka_message_t; AT_ONCE]) -> usize {
        let (queue, start) = (self.0.as_ptr(), room.as_mut_ptr());
        // SAFETY: the queue is alive, and there is room for as many as are asked for.
        let taken = unsafe { sys::rd_kafka_consume_batch_queue(queue, 0, start, AT_ONCE) };
        usize::try_from(taken).unwrap_or_default()
    }
}

impl Drop for FetchQueue {
    #[expect(unsafe_code, reason = "the C client's call")]
    fn drop(&mut self) {
        // SAFETY: it was counted when it was made.
        unsafe { sys::rd_kafka_queue_destroy(self.0.as_ptr()) }
    }
}

/// What went wrong with a partition comes as a record, too.
fn checked(record: FetchedRecord<'_>) -> Result<FetchedRecord<'_>, KafkaError> {
    match RDKafkaErrorCode::from(record.message().err) {
        RDKafkaErrorCode::NoError => Ok(record),
        RDKafkaErrorCode::PartitionEOF => Err(KafkaError::PartitionEOF(record.partition())),
        code => Err(KafkaError::MessageConsumption(code)),
    }
}
