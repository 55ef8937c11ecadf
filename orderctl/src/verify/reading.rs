//! Reads the log into the story, from the beginning to where it ends now. Compares nothing.

use std::collections::HashMap;
use std::ops::ControlFlow;

use chassis::record_headers::record_headers;
use events_schema::envelope::Envelope;
use events_schema::registry::RegistryError;
use events_schema::topics::Retention;
use events_schema::wire::SchemaId;
use events_schema::{Event, Topic};
use rdkafka::Message;
use rdkafka::message::BorrowedMessage;

use super::ledger::Ledger;
use super::projection::Projection;
use super::record::{LogRecord, event_of};
use super::story::{Place, Stand, Story};
use crate::decoding::Decoding;
use crate::exit::Gap;
use crate::log::{LogReader, Span};

/// What has been read so far.
pub(super) struct Reading<'a> {
    pub(super) story: Story,
    pub(super) ledger: Option<&'a mut Ledger>,
    pub(super) records: u64,
    /// Where each partition goes on.
    next: HashMap<(Topic, i32), i64>,
}

impl<'a> Reading<'a> {
    /// Nothing yet.
    pub(super) fn new(ledger: Option<&'a mut Ledger>) -> Self {
        Self { story: Story::default(), ledger, records: 0, next: HashMap::new() }
    }
}

impl Reading<'_> {
    /// Reads every topic that a projection reads. What stands behind the positions is read too:
    /// a fact that was decided before the snapshot may stand there.
    pub(super) fn read<A: Fn(SchemaId) -> Result<String, RegistryError>>(
        &mut self,
        reader: &LogReader,
        decoding: &mut Decoding<A>,
        stands: &[(Projection, Stand)],
    ) -> anyhow::Result<()> {
        for topic in Topic::ALL {
            let readers =
                stands.iter().filter(|(projection, _)| projection.topics().contains(&topic));
            if self.ledger.is_none() && readers.clone().next().is_none() {
                continue;
            }
            let spans = reader.extents(topic.name())?;
            for (projection, stand) in readers {
                complete(*projection, stand, topic, &spans)?;
            }
            reader.read(topic.name(), &spans, |message| {
                let place = place(topic, message);
                let is_parked = stands.iter().any(|(_, stand)| stand.parked.contains_key(&place));
                self.take(place, message, is_parked, decoding)?;
                Ok(ControlFlow::Continue(()))
            })?;
        }
        Ok(())
    }

    fn take<A: Fn(SchemaId) -> Result<String, RegistryError>>(
        &mut self,
        place: Place,
        message: &BorrowedMessage<'_>,
        is_parked: bool,
        decoding: &mut Decoding<A>,
    ) -> anyhow::Result<()> {
        self.records += 1;
        self.note_hole(place);
        let headers = record_headers(message);
        let envelope = Envelope::read(headers.iter().map(|(name, value)| (name.as_ref(), *value)));
        let decoded = decoding.read(message.payload())?;
        // As the consumers do: what an event is about it says itself.
        let subject = decoded.as_ref().ok().map(Event::subject);
        let subject = subject.or_else(|| envelope.subject.clone());
        let event = event_of(place.topic, message.key(), &envelope, decoded);
        if is_parked {
            let (key, payload) = (message.key(), message.payload());
            let (key, payload) = (key.map(<[u8]>::to_vec), payload.map(<[u8]>::to_vec));
            let event = event.as_ref().ok().cloned();
            self.story.parked.insert(place, LogRecord { key, payload, subject, event });
        }
        match event {
            Ok(event) => {
                if let Some(ledger) = self.ledger.as_mut() {
                    ledger.found(place, &event);
                }
                self.story.tell(place, event);
            }
            Err(why) => self.story.tell_unreadable(place, message.key(), why),
        }
        Ok(())
    }

    /// Offsets are handed out without holes: what is missing of a compacted topic was taken away.
    fn note_hole(&mut self, place: Place) {
        let partition = (place.topic, place.partition);
        let next = self.next.insert(partition, place.offset + 1).unwrap_or_default();
        if place.offset > next && place.topic.retention() == Retention::Compacted {
            self.story.compacted.insert(partition);
        }
    }
}

fn place(topic: Topic, message: &BorrowedMessage<'_>) -> Place {
    Place { topic, partition: message.partition(), offset: message.offset() }
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
mod tests {
    use super::*;

    #[test]
    fn only_a_hole_in_a_compacted_topic_tells_of_compaction() {
        let compacted = |topic, offsets: &[i64]| {
            let mut reading = Reading::new(None);
            let places =
                offsets.iter().map(|offset| Place { topic, partition: 2, offset: *offset });
            places.for_each(|place| reading.note_hole(place));
            reading.story.compacted.contains(&(topic, 2))
        };
        assert!(!compacted(Topic::Products, &[0, 1, 2]));
        assert!(compacted(Topic::Products, &[0, 1, 3]));
        assert!(compacted(Topic::Products, &[1]));
        assert!(!compacted(Topic::Orders, &[0, 1, 3]));
    }
}
