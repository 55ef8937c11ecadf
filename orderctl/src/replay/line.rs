//! A record as one line of JSON. Leaves personal data out unless told otherwise.

use std::borrow::Cow;
use std::io::{self, Write};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use chrono::{DateTime, SecondsFormat};
use events_schema::{Event, EventId};
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
    subject: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    headers: Option<HeaderMap<'a>>,
    #[serde(flatten)]
    content: Content<'a>,
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
                Some(Cow::Owned(event.subject())),
                Content::Event(event, self),
            ),
            Err(cause) => (
                said.event_type.as_deref(),
                said.event_id,
                said.subject.as_deref().map(Cow::Borrowed),
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
            headers: Some(record.headers.as_slice())
                .filter(|all| self.headers && !all.is_empty())
                .map(HeaderMap),
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

struct HeaderMap<'a>(&'a [RecordHeader<'a>]);

impl Serialize for HeaderMap<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = |value: Option<&'_ [u8]>| value.map(|v| String::from_utf8_lossy(v).into_owned());
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, text(*value))))
    }
}
