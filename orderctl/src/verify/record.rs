//! What a record of the log is, by verify's own reading of the contract. Knows no projection's rows.

use events_schema::{Event, EventType, Topic};

use super::projection::Projection;

/// A record that is no event of its topic: whoever has to read it must park it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unreadable {
    /// The type in its headers.
    pub(super) claimed: Option<String>,
    pub(super) why: String,
}

impl Unreadable {
    /// Whether this projection has to read it: one of a type that it does not heed it passes by.
    pub(super) fn concerns(&self, projection: Projection, topic: Topic) -> bool {
        let known = self.claimed.as_deref().and_then(EventType::from_full_name);
        known.is_none_or(|named| named.topic() != topic || projection.heeds(named))
    }
}

/// A record as it stands in the log.
#[derive(Debug, Clone)]
pub(super) struct LogRecord {
    pub(super) key: Option<Vec<u8>>,
    pub(super) payload: Option<Vec<u8>>,
    /// What later records wait behind when it is parked.
    pub(super) subject: Option<String>,
    /// Where it is one.
    pub(super) event: Option<Event>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_that_a_projection_does_not_heed_concerns_it_only_where_nobody_knows_it() {
        let concerns = |name: &str| {
            let record = Unreadable { claimed: Some(name.to_owned()), why: String::new() };
            record.concerns(Projection::ConfirmationEmail, Topic::Orders)
        };
        assert!(!concerns(EventType::OrderCancelRequested.full_name()));
        assert!(concerns(EventType::OrderPlaced.full_name()));
        assert!(concerns("orderflow.OrderTeleported"));
        assert!(
            concerns(EventType::StockReceived.full_name()),
            "of another topic: it says nothing"
        );
    }
}
