//! From a batch of records to its lines. Reads no log, and writes to nobody.

use events_schema::reading::{Invalid, LogRecord};
use events_schema::wire::SchemaId;
use events_schema::{Event, Topic};
use kafka_client::FetchedRecord;
use schema_registry::RegistryError;

use super::filter::{Filter, Record};
use super::line::Style;
use crate::decoding::{Decoding, written_at};

/// The lines of a batch.
#[derive(Debug, Default)]
pub(super) struct Lines {
    pub(super) text: Vec<u8>,
    pub(super) count: u64,
    /// Why there are none of what came behind them.
    pub(super) failed: Option<anyhow::Error>,
}

/// What one thread renders batches with.
pub(super) struct Renderer<'a, A> {
    pub(super) topic: &'a str,
    pub(super) filter: &'a Filter,
    pub(super) style: Style,
    pub(super) decoding: Decoding<A>,
}

impl<A: Fn(SchemaId) -> Result<String, RegistryError>> Renderer<'_, A> {
    /// Puts the batch's lines in the place of what `lines` held. Each record goes before the next one is
    /// looked at: the memory that the client reads its headers into is then still near.
    pub(super) fn render(&mut self, batch: Vec<FetchedRecord<'_>>, lines: &mut Lines) {
        lines.text.clear();
        lines.count = 0;
        let mut records = batch.into_iter();
        lines.failed = records.try_for_each(|record| self.append(&record, lines)).err();
    }

    fn append(&mut self, record: &FetchedRecord<'_>, lines: &mut Lines) -> anyhow::Result<()> {
        let Some(record) = self.filter.take(record) else { return Ok(()) };
        let event = self.event(&record)?;
        if self.filter.passes(&record, event.as_ref().ok()) {
            self.style.write(&mut lines.text, self.topic, &record, event.as_ref())?;
            lines.count += 1;
        }
        Ok(())
    }

    /// The event that the record is for whoever reads its topic; a topic of copies has no rule.
    fn event(&mut self, record: &Record<'_>) -> Result<Result<Event, String>, RegistryError> {
        let Some(topic) = Topic::from_name(self.topic) else {
            let decoded = record.value.map(|value| self.decoding.value(value)).transpose()?;
            let decoded = decoded.ok_or_else(|| Invalid::NoValue.to_string());
            return Ok(decoded.and_then(|event| event.map_err(|why| why.to_string())));
        };
        let (key, value, envelope) = (record.key, record.value, &record.envelope);
        let recorded_at = written_at(record.millis);
        let record = LogRecord { topic, key, value, envelope, recorded_at };
        Ok(self.decoding.event(&record)?.map_err(|why| why.to_string()))
    }
}
