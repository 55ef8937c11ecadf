//! A record as one line of JSON. Leaves personal data out unless told otherwise.

use std::borrow::Cow;
use std::io::{self, Write};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use chrono::{DateTime, SecondsFormat};
use events_schema::{Event, EventId, OrderId};
use kafka_client::RecordHeader;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::filter::Record;
use crate::output::Json;
use crate::shown::{REDACTED, Shown};

/// What of a record is printed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Style {
    pub(super) headers: bool,
    pub(super) personal_data: bool,
}

#[derive(Serialize)]
struct Line<'a> {
    topic: &'a str,
    partition: i32,
    offset: i64,
    timestamp: Option<String>,
    key: Option<Cow<'a, str>>,
    #[serde(rename = "type")]
    event_type: Option<&'a str>,
    event_id: Option<EventId>,
    subject: Option<Subject<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    headers: Option<HeaderMap<'a>>,
    #[serde(flatten)]
    content: Content<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Subject<'a> {
    Order(OrderId),
    Text(&'a str),
}

impl<'a> Subject<'a> {
    /// What [`Event::subject`] says, in no memory of its own: an order, or what the key names.
    fn of(event: &'a Event) -> Self {
        event.order_id().map_or(Self::Text(event.key()), Self::Order)
    }
}

enum Content<'a> {
    Event(&'a Event, Style),
    Undecodable { cause: &'a str, value: Option<Cow<'a, str>> },
}

impl Style {
    /// Appends the record's line.
    pub(super) fn write(
        self,
        out: &mut impl Write,
        topic: &str,
        record: &Record<'_>,
        event: Result<&Event, &String>,
    ) -> io::Result<()> {
        let line = self.line(topic, record, event);
        Json(&line).write(&mut *out)?;
        out.write_all(b"\n")
    }

    fn line<'a>(
        self,
        topic: &'a str,
        record: &'a Record<'_>,
        event: Result<&'a Event, &'a String>,
    ) -> Line<'a> {
        let said = &record.envelope;
        let (event_type, event_id, subject, content) = match event {
            Ok(event) => (
                Some(event.event_type().name()),
                Some(event.event_id()),
                Some(Subject::of(event)),
                Content::Event(event, self),
            ),
            Err(cause) => (
                said.event_type.as_deref(),
                said.event_id,
                said.subject.as_deref().map(Subject::Text),
                Content::Undecodable { cause, value: self.bytes(record.value) },
            ),
        };
        Line {
            topic,
            partition: record.partition,
            offset: record.offset,
            timestamp: record.millis.and_then(rfc3339),
            key: record.key.map(String::from_utf8_lossy),
            event_type,
            event_id,
            subject,
            headers: self
                .headers
                .then(|| HeaderMap(record.fetched.headers().collect()))
                .filter(|all| !all.0.is_empty()),
            content,
        }
    }

    /// Nobody knows what the bytes of an undecodable record hold.
    fn bytes(self, value: Option<&[u8]>) -> Option<Cow<'static, str>> {
        let encoded = |value| match self.personal_data {
            true => Cow::Owned(BASE64_STANDARD.encode(value)),
            false => Cow::Borrowed(REDACTED),
        };
        value.map(encoded)
    }
}

fn rfc3339(millis: i64) -> Option<String> {
    let time = DateTime::from_timestamp_millis(millis)?;
    Some(time.to_rfc3339_opts(SecondsFormat::Millis, true))
}

impl Serialize for Content<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        match self {
            Self::Event(event, style) => {
                map.serialize_entry("event", &Shown { event, personal_data: style.personal_data })?
            }
            Self::Undecodable { cause, value } => {
                map.serialize_entry("undecodable", cause)?;
                map.serialize_entry("value_base64", value)?;
            }
        }
        map.end()
    }
}

struct HeaderMap<'a>(Vec<RecordHeader<'a>>);

impl Serialize for HeaderMap<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = |value: Option<&'_ [u8]>| value.map(|v| String::from_utf8_lossy(v).into_owned());
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, text(*value))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{confirmed, placed, product};

    #[test]
    fn a_subject_is_the_events_own() {
        let events: [Event; 3] =
            [placed(1).into(), confirmed(2).into(), product("tea", "Tea").into()];
        for event in events {
            let shown = serde_json::to_value(Subject::of(&event)).unwrap();
            assert_eq!(shown, event.subject().as_str());
        }
    }
}
