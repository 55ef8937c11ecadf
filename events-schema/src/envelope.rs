//! The record's headers: CloudEvents 1.0 in binary mode (Kafka protocol binding) and the W3C
//! trace context. Knows no Kafka client: headers come and go as names and bytes.

use std::borrow::Cow;

use chrono::SecondsFormat;

use crate::event::Event;
use crate::ids::EventId;

/// Version of CloudEvents.
pub const SPEC_VERSION: &str = "ce_specversion";
/// The event's id.
pub const ID: &str = "ce_id";
/// The event's type: the full name of its Avro record.
pub const TYPE: &str = "ce_type";
/// The service that wrote it.
pub const SOURCE: &str = "ce_source";
/// When the fact became true, RFC 3339.
pub const TIME: &str = "ce_time";
/// The order's id, or the SKU.
pub const SUBJECT: &str = "ce_subject";
/// W3C trace context.
pub const TRACEPARENT: &str = "traceparent";

/// Names and values of a record's headers, in the order they are written.
pub type HeaderPairs<'a> = Vec<(&'static str, Cow<'a, str>)>;

/// The headers of an event written by `source` (`/producer-api`, `/inventory`).
pub fn headers<'a>(
    event: &Event,
    source: &'a str,
    traceparent: Option<&'a str>,
) -> HeaderPairs<'a> {
    let time = event.occurred_at().to_utc().to_rfc3339_opts(SecondsFormat::Micros, true);
    let mut pairs = vec![
        (SPEC_VERSION, Cow::Borrowed("1.0")),
        (ID, Cow::Owned(event.event_id().to_string())),
        (TYPE, Cow::Borrowed(event.event_type().full_name())),
        (SOURCE, Cow::Borrowed(source)),
        (TIME, Cow::Owned(time)),
        (SUBJECT, Cow::Owned(event.subject())),
    ];
    pairs.extend(traceparent.map(|value| (TRACEPARENT, Cow::Borrowed(value))));
    pairs
}

/// What a consumer needs of a record's headers. Every part may be missing: a record is poison for
/// what its value is, not for what its headers lack.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Envelope {
    /// The event's id, where it is a UUID.
    pub event_id: Option<EventId>,
    /// The event's type, known to this build or not.
    pub event_type: Option<String>,
    /// The order's id, or the SKU.
    pub subject: Option<String>,
    /// The trace that it belongs to.
    pub traceparent: Option<String>,
}

/// Longest header value that is taken for what it says; a longer one counts as missing, and so
/// does one with control characters: a database that refuses NUL in a text must not be stopped by
/// a header.
const HEADER_BYTES_MAX: usize = 256;

impl Envelope {
    /// Reads the headers that matter; of a name that stands twice the first one counts.
    pub fn read<'a, N: AsRef<str>>(
        headers: impl IntoIterator<Item = (N, Option<&'a [u8]>)>,
    ) -> Self {
        let mut envelope = Self::default();
        for (name, value) in headers {
            let text = || value.and_then(text_of);
            match name.as_ref() {
                ID => envelope.event_id = envelope.event_id.or_else(|| text()?.parse().ok()),
                TYPE => first(&mut envelope.event_type, text),
                SUBJECT => first(&mut envelope.subject, text),
                TRACEPARENT => first(&mut envelope.traceparent, text),
                _ => {}
            }
        }
        envelope
    }
}

fn text_of(value: &[u8]) -> Option<&str> {
    let fits = (1..=HEADER_BYTES_MAX).contains(&value.len());
    let text = std::str::from_utf8(value).ok().filter(|_| fits)?;
    // Looks at every byte, also behind one that decides it: so it looks at many at once.
    let is_plain = value.iter().fold(true, |plain, byte| plain & matches!(byte, b' '..=b'~'));
    (is_plain || !text.contains(char::is_control)).then_some(text)
}

fn first<'a>(slot: &mut Option<String>, text: impl FnOnce() -> Option<&'a str>) {
    if slot.is_none() {
        *slot = text().map(str::to_owned);
    }
}
