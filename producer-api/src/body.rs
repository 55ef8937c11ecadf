//! From bytes on the wire to a JSON value of a known shape, or a problem that points at what is
//! wrong. Does not know what the values mean.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use actix_web::web::{Bytes, Payload};
use futures::StreamExt;
use http_chassis::Queue;
use http_chassis::problem::{Fault, Problem};
use http_chassis::problems::body_too_slow;
use serde::Deserialize;
use serde_json::error::Category;
use serde_path_to_error::{Path, Segment};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::problems;

/// Most bytes of a body: the largest order with room to spare.
pub(crate) const BYTES_MAX: usize = 256 * 1024;
/// How long a body may take.
pub(crate) const WITHIN: Duration = Duration::from_secs(10);
/// Most faults that one answer tells.
const FAULTS_MAX: usize = 50;
/// Most characters of an answer that a client's own text may take.
const ECHO_CHARS_MAX: usize = 200;

/// Room for the bodies that are being read and for what they become on its way to Kafka, shared by every
/// request of the process: one permit per byte. So memory stays flat however many clients send at once.
#[derive(Clone)]
pub(crate) struct Room {
    bytes: Arc<Semaphore>,
    queue: Queue,
}

impl Room {
    pub(crate) fn of(bytes: usize, queue: Queue) -> Self {
        Self { bytes: Arc::new(Semaphore::new(bytes.min(Semaphore::MAX_PERMITS))), queue }
    }
}

/// The room that a body takes until it is dropped.
pub(crate) type Taken = Option<OwnedSemaphorePermit>;

/// A body, and its room.
pub(crate) struct Body {
    bytes: Bytes,
    room: Taken,
}

impl std::ops::Deref for Body {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Reads the body whole, within the limits of size and time, and the room that is left; refuses it where
/// the queue of this worker stands.
pub(crate) async fn read(
    request: &HttpRequest,
    payload: Payload,
    room: &Room,
) -> Result<Body, Problem> {
    check_head(request)?;
    // Said only after the body was read, because actix closes a connection on which one is left unread.
    let is_admitted = room.queue.admits();
    let body = http_chassis::within(WITHIN, collect(payload, room)).await;
    let body = body.unwrap_or_else(|| Err(body_too_slow(WITHIN)))?;
    if is_admitted { Ok(body) } else { Err(problems::queue_full()) }
}

fn check_head(request: &HttpRequest) -> Result<(), Problem> {
    let text = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
    let essence = text(CONTENT_TYPE).and_then(|value| value.split(';').next());
    if !essence.is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json")) {
        return Err(problems::unsupported_media_type("the Content-Type must be application/json"));
    }
    if !text(CONTENT_TYPE).is_none_or(is_utf8) {
        return Err(problems::unsupported_media_type("the body must be UTF-8, as all JSON is"));
    }
    let coding = request.headers().get(CONTENT_ENCODING).map(HeaderValue::as_bytes);
    if coding.is_some_and(|coding| !coding.eq_ignore_ascii_case(b"identity")) {
        return Err(problems::unsupported_media_type("the body must not be compressed"));
    }
    let length = text(CONTENT_LENGTH).and_then(|length| length.parse::<usize>().ok());
    match length {
        Some(length) if length > BYTES_MAX => Err(problems::too_large(BYTES_MAX)),
        _ => Ok(()),
    }
}

/// Whether a Content-Type names no other charset.
fn is_utf8(content_type: &str) -> bool {
    content_type.split(';').skip(1).filter_map(|parameter| parameter.split_once('=')).all(
        |(name, value)| {
            let value = value.trim().trim_matches('"');
            let is_known =
                ["utf-8", "utf8", "us-ascii"].iter().any(|c| value.eq_ignore_ascii_case(c));
            !name.trim().eq_ignore_ascii_case("charset") || is_known
        },
    )
}

/// Nearly every body is one chunk, which is not copied.
async fn collect(mut payload: Payload, room: &Room) -> Result<Body, Problem> {
    let mut whole = Body { bytes: Bytes::new(), room: None };
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|error| {
            tracing::debug!(%error, "a body could not be read");
            problems::unreadable_body()
        })?;
        if whole.len() + chunk.len() > BYTES_MAX {
            return Err(problems::too_large(BYTES_MAX));
        }
        whole.grow(chunk, room)?;
    }
    Ok(whole)
}

impl Body {
    /// The room, for what the body has become.
    pub(crate) fn into_room(self) -> Taken {
        self.room
    }

    /// Takes room for the bytes that have come, not for those that were announced: a client that
    /// sends nothing keeps nobody out.
    fn grow(&mut self, chunk: Bytes, room: &Room) -> Result<(), Problem> {
        let bytes = u32::try_from(chunk.len()).unwrap_or(u32::MAX);
        let taken = Arc::clone(&room.bytes).try_acquire_many_owned(bytes);
        let taken = taken.map_err(|_| problems::queue_full())?;
        match &mut self.room {
            Some(room) => room.merge(taken),
            None => self.room = Some(taken),
        }
        self.bytes = match self.bytes.is_empty() {
            true => chunk,
            false => joined(std::mem::take(&mut self.bytes), &chunk),
        };
        Ok(())
    }
}

fn joined(whole: Bytes, chunk: &[u8]) -> Bytes {
    let mut buffer = actix_web::web::BytesMut::from(whole);
    buffer.extend_from_slice(chunk);
    buffer.freeze()
}

/// Reads JSON of the shape `T`. A fault is looked for a second time, with its place: this costs
/// nothing where there is none.
pub(crate) fn parse<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Problem> {
    serde_json::from_slice(body).map_err(|error| explain::<T>(body, &error))
}

fn explain<'a, T: Deserialize<'a>>(body: &'a [u8], error: &serde_json::Error) -> Problem {
    if let Some(why) = encoding_fault(body) {
        return problems::malformed_json(String::new(), why.to_owned());
    }
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let place = match serde_path_to_error::deserialize::<_, T>(&mut deserializer) {
        Ok(_) => String::new(),
        Err(found) => pointer(found.path()),
    };
    // Both may hold what the client wrote: the name of an unknown member, for one.
    let (place, why) = (cut(place), cut(error.to_string()));
    match error.classify() {
        Category::Data => problems::invalid_body().fault(place, why),
        Category::Io | Category::Syntax | Category::Eof => problems::malformed_json(place, why),
    }
}

/// What stands before JSON, or instead of UTF-8 (RFC 8259, 8.1): no editor shows it.
fn encoding_fault(body: &[u8]) -> Option<&'static str> {
    match body {
        [0xef, 0xbb, 0xbf, ..] => Some(
            "the body begins with a byte order mark (EF BB BF), which JSON does not have: leave it \
             out",
        ),
        [0xfe, 0xff, ..] | [0xff, 0xfe, ..] => Some(
            "the body begins with a byte order mark of UTF-16 or UTF-32: send UTF-8 without one",
        ),
        [0, 0, 0xfe, 0xff, ..] => {
            Some("the body begins with a byte order mark of UTF-32: send UTF-8 without one")
        }
        [0, _, ..] | [_, 0, ..] => Some("the body is UTF-16 or UTF-32: send UTF-8"),
        _ => None,
    }
}

fn cut(text: String) -> String {
    match text.chars().nth(ECHO_CHARS_MAX) {
        Some(_) => text.chars().take(ECHO_CHARS_MAX).chain(['…']).collect(),
        None => text,
    }
}

/// As a JSON pointer (RFC 6901).
fn pointer(path: &Path) -> String {
    let mut pointer = String::new();
    for segment in path {
        match segment {
            Segment::Seq { index } => pointer.push_str(&format!("/{index}")),
            Segment::Map { key } => {
                pointer.push('/');
                pointer.push_str(&key.replace('~', "~0").replace('/', "~1"));
            }
            Segment::Enum { .. } | Segment::Unknown => {}
        }
    }
    pointer
}

/// The faults of a body, collected so that a client hears of all of them at once.
#[derive(Default)]
pub(crate) struct Faults(Vec<Fault>);

impl Faults {
    /// Something else is wrong.
    pub(crate) fn add(&mut self, pointer: fmt::Arguments<'_>, detail: impl Into<String>) {
        if self.0.len() < FAULTS_MAX {
            self.0.push(Fault { pointer: pointer.to_string(), detail: detail.into() });
        }
    }

    /// The value, or its fault.
    pub(crate) fn check<T, E: fmt::Display>(
        &mut self,
        pointer: fmt::Arguments<'_>,
        parsed: Result<T, E>,
    ) -> Option<T> {
        parsed.map_err(|error| self.add(pointer, error.to_string())).ok()
    }

    /// The value of a member that must be there, or its fault.
    pub(crate) fn required<V, T, E: fmt::Display>(
        &mut self,
        pointer: fmt::Arguments<'_>,
        given: Option<V>,
        parse: impl FnOnce(V) -> Result<T, E>,
    ) -> Option<T> {
        match given {
            Some(value) => self.check(pointer, parse(value)),
            None => {
                self.add(pointer, "is required");
                None
            }
        }
    }

    /// The whole, unless there was a fault. Every part that is missing has left its fault.
    pub(crate) fn or<T>(self, whole: Option<T>) -> Result<T, Problem> {
        match whole {
            Some(whole) if self.0.is_empty() => Ok(whole),
            _ => Err(self.of(problems::invalid_body())),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The problem, with the faults.
    pub(crate) fn of(self, problem: Problem) -> Problem {
        Problem { errors: self.0, ..problem }
    }
}
