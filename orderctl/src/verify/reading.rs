//! Reads the log into the story, from the beginning to where it ends, and what comes meanwhile.
//! Compares nothing.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ops::ControlFlow;

use events_schema::envelope::Envelope;
use events_schema::reading::{Invalid, Read};
use events_schema::topics::Retention;
use events_schema::wire::SchemaId;
use events_schema::{Event, RecordPosition, Topic};
use kafka_client::FetchedRecord;
use schema_registry::RegistryError;

use super::ledger::Ledger;
use super::projection::Projection;
use super::record::{LogRecord, Unreadable};
use super::story::{Stand, Story};
use crate::decoding::{Decoding, written_at};
use crate::exit::Gap;
use crate::log::{LogReader, Span};

/// What has been read so far.
pub(super) struct Reading<'a> {
    pub(super) story: Story,
    pub(super) ledger: Option<&'a mut Ledger>,
    pub(super) records: u64,
    /// Which topics, and of each what it held when it was read last.
    topics: BTreeMap<Topic, Vec<Span>>,
    /// Where each partition goes on.
    next: HashMap<(Topic, i32), i64>,
}

/// So few new records are read in no time.
const FEW: u64 = 10_000;
/// A log that grows faster than it is read is not caught up with.
const ROUNDS_MAX: usize = 10;

impl<'a> Reading<'a> {
    /// Nothing yet, of the topics of these projections, or with a ledger of all.
    pub(super) fn new(ledger: Option<&'a mut Ledger>, projections: &[Projection]) -> Self {
        let is_read = |topic: &Topic| projections.iter().any(|p| p.topics().contains(topic));
        let topics = Topic::ALL.into_iter().filter(|topic| ledger.is_some() || is_read(topic));
        let topics = topics.map(|topic| (topic, vec![])).collect();
        Self { story: Story::default(), ledger, records: 0, topics, next: HashMap::new() }
    }
}

impl Reading<'_> {
    /// Reads from the beginning until little is left. Nobody waits for it: no snapshot is open.
    pub(super) fn catch_up<A: Fn(SchemaId) -> Result<String, RegistryError>>(
        &mut self,
        reader: &LogReader,
        decoding: &mut Decoding<A>,
        parked: &HashSet<RecordPosition>,
    ) -> anyhow::Result<()> {
        for _ in 0..ROUNDS_MAX {
            if self.read_on(reader, decoding, parked)? < FEW {
                break;
            }
        }
        Ok(())
    }

    /// Reads what has come since, up to where the log ends now, and says how many records that are.
    /// What stands behind the positions is read too: a fact that was decided before the snapshot may
    /// stand there.
    pub(super) fn read_on<A: Fn(SchemaId) -> Result<String, RegistryError>>(
        &mut self,
        reader: &LogReader,
        decoding: &mut Decoding<A>,
        parked: &HashSet<RecordPosition>,
    ) -> anyhow::Result<u64> {
        let before = self.records;
        let topics: Vec<Topic> = self.topics.keys().copied().collect();
        for topic in topics {
            let now = reader.extents(topic.name())?;
            let rest = self.rest(topic, &now);
            reader.read(topic.name(), &rest, |message| {
                let place = place(topic, message);
                self.take(place, message, parked.contains(&place), decoding)?;
                Ok(ControlFlow::Continue(()))
            })?;
            self.topics.insert(topic, now);
        }
        Ok(self.records - before)
    }

    /// What of these parts was not read before.
    fn rest(&self, topic: Topic, now: &[Span]) -> Vec<Span> {
        let read = self.topics.get(&topic).map(Vec::as_slice).unwrap_or_default();
        let end = |partition| read.iter().find(|span| span.partition == partition).map(|s| s.end);
        let rest = |span: &Span| Span { start: end(span.partition).unwrap_or(span.start), ..*span };
        now.iter().map(rest).collect()
    }

    /// Keeps what stands where something was parked after it was read.
    pub(super) fn look_again<A: Fn(SchemaId) -> Result<String, RegistryError>>(
        &mut self,
        reader: &LogReader,
        decoding: &mut Decoding<A>,
        parked: &HashSet<RecordPosition>,
    ) -> anyhow::Result<()> {
        let is_missing = |place: &&RecordPosition| !self.story.parked.contains_key(*place);
        let missing: BTreeSet<RecordPosition> = parked.iter().filter(is_missing).copied().collect();
        for (topic, spans) in &self.topics {
            let spans: Vec<Span> =
                spans.iter().filter_map(|span| around(*topic, span, &missing)).collect();
            let found = &mut self.story.parked;
            reader.read(topic.name(), &spans, |message| {
                let place = place(*topic, message);
                if missing.contains(&place) {
                    let (subject, event) = understand(place, message, decoding)?;
                    found.insert(place, record(message, subject, event.as_ref().ok()));
                }
                Ok(ControlFlow::Continue(()))
            })?;
        }
        Ok(())
    }

    /// The log is whole, and every projection stands within it.
    pub(super) fn complete(&self, stands: &[(Projection, Stand)]) -> Result<(), Gap> {
        for (topic, spans) in &self.topics {
            let readers = stands.iter().filter(|(p, _)| p.topics().contains(topic));
            for (projection, stand) in readers {
                complete(*projection, stand, *topic, spans)?;
            }
        }
        Ok(())
    }

    fn take<A: Fn(SchemaId) -> Result<String, RegistryError>>(
        &mut self,
        place: RecordPosition,
        message: &FetchedRecord<'_>,
        is_parked: bool,
        decoding: &mut Decoding<A>,
    ) -> anyhow::Result<()> {
        self.records += 1;
        self.note_hole(place);
        let (subject, event) = understand(place, message, decoding)?;
        if is_parked {
            let record = record(message, subject, event.as_ref().ok());
            self.story.parked.insert(place, record);
        }
        match event {
            Ok(event) => {
                if let Some(ledger) = self.ledger.as_mut() {
                    ledger.found(place, &event);
                }
                self.story.tell(place, event);
                self.story.make_room()?;
            }
            Err(what) => self.story.tell_unreadable(place, message.key(), what),
        }
        Ok(())
    }

    /// Offsets are handed out without holes: what is missing of a compacted topic was taken away.
    fn note_hole(&mut self, place: RecordPosition) {
        let partition = (place.topic, place.partition);
        let next = self.next.insert(partition, place.offset + 1).unwrap_or_default();
        if place.offset > next && place.topic.retention() == Retention::Compacted {
            self.story.compacted.insert(partition);
        }
    }
}

/// The part of a partition from the first of these places to the last.
fn around(topic: Topic, span: &Span, places: &BTreeSet<RecordPosition>) -> Option<Span> {
    let at = |offset| RecordPosition { topic, partition: span.partition, offset };
    let mut within = places.range(at(span.start)..at(span.end));
    let first = within.next()?.offset;
    let last = within.next_back().map_or(first, |place| place.offset);
    Some(Span { start: first, end: last + 1, ..*span })
}

/// What later records wait behind when it is parked, and the event that it is.
type Understood = (Option<String>, Result<Event, Unreadable>);

fn understand<A: Fn(SchemaId) -> Result<String, RegistryError>>(
    place: RecordPosition,
    message: &FetchedRecord<'_>,
    decoding: &mut Decoding<A>,
) -> Result<Understood, RegistryError> {
    let envelope = Envelope::read(message.headers());
    let record = events_schema::reading::LogRecord {
        topic: place.topic,
        key: message.key(),
        value: message.value(),
        envelope: &envelope,
        recorded_at: written_at(message.millis()),
    };
    let Read { event, subject } = decoding.read(&record)?;
    let unreadable =
        |why: Invalid| Unreadable { why: why.to_string(), claimed: envelope.event_type };
    Ok((subject, event.map_err(unreadable)))
}

fn record(
    message: &FetchedRecord<'_>,
    subject: Option<String>,
    event: Option<&Event>,
) -> LogRecord {
    let (key, payload) = (message.key(), message.value());
    let (key, payload) = (key.map(<[u8]>::to_vec), payload.map(<[u8]>::to_vec));
    LogRecord { key, payload, subject, event: event.cloned() }
}

fn place(topic: Topic, message: &FetchedRecord<'_>) -> RecordPosition {
    RecordPosition { topic, partition: message.partition(), offset: message.offset() }
}

/// The log is whole and the projection stands within it.
pub(super) fn complete(
    projection: Projection,
    stand: &Stand,
    topic: Topic,
    spans: &[Span],
) -> Result<(), Gap> {
    let (name, topic_name) = (projection.name(), topic.name());
    for Span { partition, start, end } in spans {
        let at = format!("{topic_name}:{partition}");
        if *start > 0 {
            return Err(Gap(format!("{at} begins at {start}: its first records are gone")));
        }
        match stand.positions.get(&(topic, *partition)) {
            None => return Err(Gap(format!("{name} has no position for {at}: it never read it"))),
            Some(next) if next > end => {
                return Err(Gap(format!("{name} stands at {next} of {at}, which ends at {end}")));
            }
            Some(_) => {}
        }
    }
    Ok(())
}

#[cfg(test)]
#[path = "reading_tests.rs"]
mod growing;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_hole_in_a_compacted_topic_tells_of_compaction() {
        let compacted = |topic, offsets: &[i64]| {
            let mut reading = Reading::new(None, &[]);
            let places = offsets.iter().map(|offset| RecordPosition {
                topic,
                partition: 2,
                offset: *offset,
            });
            places.for_each(|place| reading.note_hole(place));
            reading.story.compacted.contains(&(topic, 2))
        };
        assert!(!compacted(Topic::Products, &[0, 1, 2]));
        assert!(compacted(Topic::Products, &[0, 1, 3]));
        assert!(compacted(Topic::Products, &[1]));
        assert!(!compacted(Topic::Orders, &[0, 1, 3]));
    }
}
