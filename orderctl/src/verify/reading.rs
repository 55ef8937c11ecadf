//! Reads the log into the story, from the beginning to where it ends now. Compares nothing.

use std::ops::ControlFlow;

use events_schema::Topic;
use events_schema::envelope::Envelope;
use events_schema::registry::RegistryError;
use events_schema::wire::SchemaId;
use rdkafka::Message;
use rdkafka::message::{BorrowedMessage, Headers};

use super::ledger::Ledger;
use super::projection::Projection;
use super::story::{Place, Stand, Story};
use crate::decoding::Decoding;
use crate::exit::Gap;
use crate::log::{LogReader, Span};

/// What has been read so far.
pub(super) struct Reading<'a> {
    pub(super) story: Story,
    pub(super) ledger: Option<&'a mut Ledger>,
    pub(super) records: u64,
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
                self.take(topic, message, decoding)?;
                Ok(ControlFlow::Continue(()))
            })?;
        }
        Ok(())
    }

    fn take<A: Fn(SchemaId) -> Result<String, RegistryError>>(
        &mut self,
        topic: Topic,
        message: &BorrowedMessage<'_>,
        decoding: &mut Decoding<A>,
    ) -> anyhow::Result<()> {
        let (partition, offset) = (message.partition(), message.offset());
        let place = Place { topic, partition, offset };
        self.records += 1;
        match decoding.read(message.payload())? {
            Ok(event) => {
                if let Some(ledger) = self.ledger.as_mut() {
                    ledger.found(place, &event);
                }
                self.story.tell(place, event);
            }
            Err(_) => {
                let headers = message.headers().into_iter();
                let headers = headers.flat_map(|all| all.iter().map(|one| (one.key, one.value)));
                self.story.undecodable.push((place, Envelope::read(headers).event_type));
            }
        }
        Ok(())
    }
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
