//! What records are applied with.

use events_schema::wire::Encoder;
use sqlx::PgPool;

use crate::shared::Shared;
use crate::topic_names::TopicNames;

pub(crate) struct ApplyContext<'a> {
    pub pool: &'a PgPool,
    pub names: &'a TopicNames,
    pub encoder: &'a Encoder,
    /// `ce_source` of what is published.
    pub source: &'a str,
}

impl<'a> From<&'a Shared> for ApplyContext<'a> {
    fn from(shared: &'a Shared) -> Self {
        let (pool, names, encoder) = (&shared.pool, &shared.names, &shared.encoder);
        Self { pool, names, encoder, source: &shared.source }
    }
}
