//! What a record of the log is, by verify's own reading of the contract. Knows no projection's rows.

use events_schema::envelope::Envelope;
use events_schema::{Event, EventType, Topic};

use super::projection::Projection;

/// A record that is no event of its topic: whoever has to read it must park it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unreadable {
    /// The type in its headers.
    pub(super) claimed: Option<String>,
    pub(super) why: &'static str,
}

impl Unreadable {
    /// Whether this projection has to read it: one of a type that it does not heed it passes by.
    pub(super) fn concerns(&self, projection: Projection) -> bool {
        let known = self.claimed.as_deref().and_then(EventType::from_full_name);
        known.is_none_or(|event_type| projection.heeds(event_type))
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

/// The event that a record is, if it is one for everybody: of a type that is known, decoded, in its
/// topic and under its key.
pub(super) fn event_of(
    topic: Topic,
    key: Option<&[u8]>,
    envelope: &Envelope,
    decoded: Result<Event, String>,
) -> Result<Event, Unreadable> {
    let claimed = envelope.event_type.as_deref();
    let is_unknown = claimed.is_some_and(|name| EventType::from_full_name(name).is_none());
    let unreadable = |why| Unreadable { claimed: claimed.map(str::to_owned), why };
    let event = decoded.map_err(|_| unreadable("it cannot be decoded"));
    match event {
        _ if is_unknown => Err(unreadable("nobody knows its type")),
        Ok(event) if event.event_type().topic() != topic => {
            Err(unreadable("it does not belong in this topic"))
        }
        Ok(event) if key != Some(event.key().as_bytes()) => {
            Err(unreadable("its key is not its event's"))
        }
        event => event,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{placed, product};

    #[test]
    fn what_is_no_event_of_its_topic_is_unreadable() {
        let of_type =
            |name: &str| Envelope { event_type: Some(name.into()), ..Envelope::default() };
        let unknown = of_type("orderflow.OrderTeleported");
        let why = |topic, key: &str, envelope: &Envelope, decoded| {
            event_of(topic, Some(key.as_bytes()), envelope, decoded).map_err(|found| found.why)
        };
        let (order, plain) = (|| Ok(placed(1).into()), Envelope::default());
        assert_eq!(
            why(Topic::Orders, "customer-1", &plain, order()),
            order().map_err(|_: String| "")
        );
        for (topic, key, envelope, decoded, expected) in [
            (Topic::Orders, "customer-1", &unknown, order(), "nobody knows its type"),
            (Topic::Orders, "x", &plain, Err("no".to_owned()), "it cannot be decoded"),
            (Topic::Orders, "customer-2", &plain, order(), "its key is not its event's"),
            (
                Topic::Orders,
                "a",
                &plain,
                Ok(product("a", "Apples").into()),
                "it does not belong in this topic",
            ),
        ] {
            assert_eq!(why(topic, key, envelope, decoded), Err(expected));
        }
    }

    #[test]
    fn a_type_that_a_projection_does_not_heed_concerns_it_only_where_nobody_knows_it() {
        let concerns = |name: &str| {
            let record = Unreadable { claimed: Some(name.to_owned()), why: "" };
            record.concerns(Projection::ConfirmationEmail)
        };
        assert!(!concerns(EventType::OrderCancelRequested.full_name()));
        assert!(concerns(EventType::OrderPlaced.full_name()));
        assert!(concerns("orderflow.OrderTeleported"));
    }
}
