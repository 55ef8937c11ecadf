//! A record's headers as they stand in the log. The Rust client panics where a name is no UTF-8,
//! and whoever writes to a topic chooses the names: so they are read from the C client.

use std::borrow::Cow;
use std::ffi::CStr;
use std::{ptr, slice};

use rdkafka::message::BorrowedMessage;
use rdkafka_sys as sys;

/// A name, with replacement characters for what is no UTF-8, and a value.
pub type RecordHeader<'a> = (Cow<'a, str>, Option<&'a [u8]>);

/// The headers, in order; none where there are none, or where their bytes make no sense.
pub fn record_headers<'a>(message: &'a BorrowedMessage<'_>) -> Vec<RecordHeader<'a>> {
    headers_of(message.ptr()).collect()
}

/// As [`record_headers`], one after the other; they live as long as the message, to which the callers bind
/// them.
#[expect(unsafe_code, reason = "the C client's calls")]
pub(crate) fn headers_of<'a>(
    message: *const sys::rd_kafka_message_t,
) -> impl Iterator<Item = RecordHeader<'a>> {
    let no_error = sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR;
    let mut headers = ptr::null_mut();
    // SAFETY: the message is alive, and keeps what it hands out.
    let outcome = unsafe { sys::rd_kafka_message_headers(message, &mut headers) };
    let count = match outcome == no_error {
        // SAFETY: `headers` came from the message and is not null after a success.
        true => unsafe { sys::rd_kafka_header_cnt(headers) },
        false => 0,
    };
    let read = move |index| {
        let (mut name, mut value, mut length) = (ptr::null(), ptr::null(), 0);
        // SAFETY: `index` is within the count; after a success `name` ends with a zero, and `value`
        // is null or has `length` bytes; both live as long as the message.
        unsafe {
            sys::rd_kafka_header_get_all(headers, index, &mut name, &mut value, &mut length);
            let value = (!value.is_null()).then(|| slice::from_raw_parts(value.cast(), length));
            (CStr::from_ptr(name).to_string_lossy(), value)
        }
    };
    (0..count).map(read)
}
