//! The broker's ids of topics (KIP-516): a topic that was deleted and created again has another
//! one. The Rust client has no call for it, the C client does.

use std::collections::HashMap;
use std::ffi::{CStr, CString, c_char};
use std::ptr;
use std::time::Duration;

use rdkafka::client::{Client, ClientContext};
use rdkafka_sys as sys;

/// Why the ids could not be had.
#[derive(Debug, thiserror::Error)]
pub enum TopicIdError {
    /// No broker answered in time, or the answer was an error.
    #[error("could not describe the topics: {0}")]
    Broker(String),
    /// The broker does not have the topic.
    #[error("there is no topic {0}; run `orderctl topics apply`")]
    NoSuchTopic(String),
}

/// The ids of these topics by name, as the broker prints them. Blocks up to `timeout`.
///
/// # Errors
/// When the broker does not answer or a topic does not exist.
pub fn topic_ids<C: ClientContext>(
    client: &Client<C>,
    topics: &[String],
    timeout: Duration,
) -> Result<HashMap<String, String>, TopicIdError> {
    let names = topics.iter().map(|topic| CString::new(topic.as_str()));
    let names: Result<Vec<CString>, _> = names.collect();
    let names = names.map_err(|_| TopicIdError::Broker("a topic's name holds a zero".into()))?;
    let event = describe(client, &names, timeout)?;
    read(&event, topics)
}

/// An event of the C client, destroyed with the value.
struct Event(*mut sys::rd_kafka_event_t);

impl Drop for Event {
    #[expect(unsafe_code, reason = "the C client's call")]
    fn drop(&mut self) {
        // SAFETY: the pointer came from `rd_kafka_queue_poll`, is not null and is destroyed once.
        unsafe { sys::rd_kafka_event_destroy(self.0) }
    }
}

#[expect(unsafe_code, reason = "the C client's calls")]
fn describe<C: ClientContext>(
    client: &Client<C>,
    names: &[CString],
    timeout: Duration,
) -> Result<Event, TopicIdError> {
    let mut pointers: Vec<*const c_char> = names.iter().map(|name| name.as_ptr()).collect();
    let timeout_ms = i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX);
    let handle = client.native_ptr();
    let op = sys::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS;
    // SAFETY: `handle` lives as long as `client`; `pointers` and the strings behind them live
    // through the call that copies them; queue, options and collection are destroyed exactly once,
    // after the only event that is taken from the queue was taken.
    let event = unsafe {
        let queue = sys::rd_kafka_queue_new(handle);
        let options = sys::rd_kafka_AdminOptions_new(handle, op);
        sys::rd_kafka_AdminOptions_set_request_timeout(options, timeout_ms, ptr::null_mut(), 0);
        let collection =
            sys::rd_kafka_TopicCollection_of_topic_names(pointers.as_mut_ptr(), pointers.len());
        sys::rd_kafka_DescribeTopics(handle, collection, options, queue);
        let event = sys::rd_kafka_queue_poll(queue, timeout_ms);
        sys::rd_kafka_TopicCollection_destroy(collection);
        sys::rd_kafka_AdminOptions_destroy(options);
        sys::rd_kafka_queue_destroy(queue);
        event
    };
    if event.is_null() { Err(TopicIdError::Broker("no answer".into())) } else { Ok(Event(event)) }
}

#[expect(unsafe_code, reason = "the C client's calls")]
fn read(event: &Event, topics: &[String]) -> Result<HashMap<String, String>, TopicIdError> {
    let no_error = sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR;
    let mut ids = HashMap::new();
    // SAFETY: `event` is alive; what is read belongs to it, is copied out before it goes, and is
    // read within the count that the client gave.
    unsafe {
        if sys::rd_kafka_event_error(event.0) != no_error {
            let text = CStr::from_ptr(sys::rd_kafka_event_error_string(event.0));
            return Err(TopicIdError::Broker(text.to_string_lossy().into_owned()));
        }
        let result = sys::rd_kafka_event_DescribeTopics_result(event.0);
        let mut count = 0;
        let found = sys::rd_kafka_DescribeTopics_result_topics(result, &raw mut count);
        for index in 0..count {
            let topic = *found.add(index);
            let id = sys::rd_kafka_TopicDescription_topic_id(topic);
            if sys::rd_kafka_error_code(sys::rd_kafka_TopicDescription_error(topic)) == no_error {
                let name = CStr::from_ptr(sys::rd_kafka_TopicDescription_name(topic));
                let id = CStr::from_ptr(sys::rd_kafka_Uuid_base64str(id));
                ids.insert(name.to_string_lossy().into_owned(), id.to_string_lossy().into_owned());
            }
        }
    }
    match topics.iter().find(|topic| !ids.contains_key(*topic)) {
        Some(missing) => Err(TopicIdError::NoSuchTopic(missing.clone())),
        None => Ok(ids),
    }
}
