//! A record as the client fetched it, read where it lies and not copied. Decides nothing about it.

use std::ffi::c_void;
use std::marker::PhantomData;
use std::ptr::NonNull;
use std::{ptr, slice};

use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka_sys as sys;

use crate::record_headers::{RecordHeader, headers_of};

/// A record in the client's memory. It may be read, and let go, by another thread than the one that fetched
/// it.
pub struct FetchedRecord<'a>(NonNull<sys::rd_kafka_message_t>, PhantomData<&'a ()>);

#[expect(unsafe_code, reason = "the C client's memory belongs to no thread")]
// SAFETY: whoever has the record is its only owner, and the C client's calls are safe from any thread.
unsafe impl Send for FetchedRecord<'_> {}

impl<'a> FetchedRecord<'a> {
    /// Of a message that a queue of `'a` gave away. What went wrong with a partition comes as one, too.
    pub(crate) fn of(message: NonNull<sys::rd_kafka_message_t>) -> Result<Self, KafkaError> {
        let record = Self(message, PhantomData);
        match RDKafkaErrorCode::from(record.message().err) {
            RDKafkaErrorCode::NoError => Ok(record),
            RDKafkaErrorCode::PartitionEOF => Err(KafkaError::PartitionEOF(record.partition())),
            code => Err(KafkaError::MessageConsumption(code)),
        }
    }

    #[expect(unsafe_code, reason = "the C client's memory")]
    fn message(&self) -> &sys::rd_kafka_message_t {
        // SAFETY: the message lives until this is dropped.
        unsafe { self.0.as_ref() }
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
        let millis = unsafe { sys::rd_kafka_message_timestamp(self.0.as_ptr(), ptr::null_mut()) };
        (millis != -1).then_some(millis)
    }

    /// Its headers, in order.
    pub fn headers(&self) -> impl Iterator<Item = RecordHeader<'_>> {
        headers_of(self.0.as_ptr())
    }

    pub(crate) fn size(&self) -> usize {
        let message = self.message();
        message.key_len + message.len
    }
}

impl Drop for FetchedRecord<'_> {
    #[expect(unsafe_code, reason = "the C client's call")]
    fn drop(&mut self) {
        // SAFETY: it came from a queue, and nobody else lets it go.
        unsafe { sys::rd_kafka_message_destroy(self.0.as_ptr()) }
    }
}

#[expect(unsafe_code, reason = "the C client's memory")]
fn bytes<'a>(start: *const c_void, length: usize) -> Option<&'a [u8]> {
    // SAFETY: what is not null has the length that stands beside it, and lives as long as its message, to
    // which the callers bind it.
    (!start.is_null()).then(|| unsafe { slice::from_raw_parts(start.cast(), length) })
}
