//! What records are applied with.

use crate::settings::ParkedLimits;
use crate::shared::Shared;
use crate::topic_names::TopicNames;
use events_schema::wire::Encoder;

pub(crate) struct ApplyContext<'a> {
    pub names: &'a TopicNames,
    pub encoder: &'a Encoder,
    /// `ce_source` of what is published.
    pub source: &'a str,
    pub limits: ParkedLimits,
}

impl<'a> From<&'a Shared> for ApplyContext<'a> {
    fn from(shared: &'a Shared) -> Self {
        let limits = shared.settings.parked;
        Self { names: &shared.names, encoder: &shared.encoder, source: &shared.source, limits }
    }
}
