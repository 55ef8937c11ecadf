//! Deterministic ids: a retry, a redelivery or a crash can only repeat one. Reads no clock but
//! through `OrderId::time_ordered` and `EventId::time_ordered`.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::event::EventType;
use crate::limits::IDEMPOTENCY_KEY_CHARS_MAX;
use crate::values::{CustomerId, InvalidValue, Sku, StockDelta};

/// Namespace of every UUIDv5 that does not hang on an order; drawn once.
/// Part of the contract: another value would give retried orders another id.
const NAMESPACE: Uuid = Uuid::from_u128(0x6d1e_38a2_60f5_5e0c_9f2b_6c2f_3b8d_9a41);

/// What a client sends with a request so that a retry is the same order: 1 to 128 visible ASCII
/// characters (draft-ietf-httpapi-idempotency-key-header).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey(String);

impl std::str::FromStr for IdempotencyKey {
    type Err = InvalidValue;
    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        let max = IDEMPOTENCY_KEY_CHARS_MAX;
        let visible = text.bytes().all(|b| b.is_ascii_graphic());
        if text.is_empty() || text.len() > max || !visible {
            return Err(InvalidValue(format!(
                "idempotency key must be 1 to {max} visible ASCII characters"
            )));
        }
        Ok(Self(text.to_owned()))
    }
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// The bare UUID.
            pub fn uuid(self) -> Uuid {
                self.0
            }

            /// A new UUIDv7: unique, and later ids sort after earlier ones.
            pub fn time_ordered() -> Self {
                Self(Uuid::now_v7())
            }
        }

        impl From<Uuid> for $name {
            fn from(uuid: Uuid) -> Self {
                Self(uuid)
            }
        }

        impl std::str::FromStr for $name {
            type Err = InvalidValue;
            fn from_str(text: &str) -> Result<Self, InvalidValue> {
                let parsed = Uuid::try_parse(text).map(Self);
                parsed.map_err(|_| InvalidValue("id must be a UUID".to_owned()))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id!(
    /// One order, for ever.
    OrderId
);
id!(
    /// One event, for ever: the same fact written twice has the same id.
    EventId
);

impl OrderId {
    /// The order that this customer means by this key, whichever instance is asked.
    pub fn for_key(customer: &CustomerId, key: &IdempotencyKey) -> Self {
        Self(Uuid::new_v5(&NAMESPACE, pair(customer.as_str(), &key.0).as_bytes()))
    }
}

impl EventId {
    /// The one event of this type that an order can have.
    pub fn of_order(order: OrderId, event_type: EventType) -> Self {
        Self(Uuid::new_v5(&order.0, event_type.name().as_bytes()))
    }

    /// The movement of stock that a client means by this key. The delta is part of it: nobody
    /// remembers what was sent under a key before, so another delta that had the same id would
    /// be taken for a repetition, and be lost.
    pub fn of_stock(sku: &Sku, delta: StockDelta, key: &IdempotencyKey) -> Self {
        let movement = pair(sku.as_str(), &delta.get().to_string());
        let name = pair(&pair(EventType::StockReceived.name(), &movement), &key.0);
        Self(Uuid::new_v5(&NAMESPACE, name.as_bytes()))
    }
}

impl EventId {
    /// A tombstone of this SKU whose headers do not say which.
    pub(crate) fn of_tombstone(sku: &Sku) -> Self {
        let name = pair(EventType::TOMBSTONE.name(), sku.as_str());
        Self(Uuid::new_v5(&NAMESPACE, name.as_bytes()))
    }
}

/// Joined by a byte that neither part can hold, so that no two pairs give the same text.
fn pair(first: &str, second: &str) -> String {
    format!("{first}\n{second}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn customer(text: &str) -> CustomerId {
        text.parse().unwrap()
    }

    fn key(text: &str) -> IdempotencyKey {
        text.parse().unwrap()
    }

    #[test]
    fn the_same_key_of_the_same_customer_is_the_same_order() {
        let id = OrderId::for_key(&customer("c1"), &key("k1"));
        assert_eq!(id, OrderId::for_key(&customer("c1"), &key("k1")));
        assert_ne!(id, OrderId::for_key(&customer("c2"), &key("k1")));
        assert_ne!(id, OrderId::for_key(&customer("c1"), &key("k2")));
    }

    #[test]
    fn the_namespace_never_changes() {
        let id = OrderId::for_key(&customer("c1"), &key("k1"));
        assert_eq!(id.to_string(), "2cb8c4d5-761d-5108-85c4-204c04d1fe9a");
    }

    #[test]
    fn an_event_id_tells_orders_and_types_apart() {
        let order = OrderId::for_key(&customer("c1"), &key("k1"));
        let placed = EventId::of_order(order, EventType::OrderPlaced);
        assert_ne!(placed, EventId::of_order(order, EventType::OrderConfirmed));
        assert_eq!(placed, EventId::of_order(order, EventType::OrderPlaced));
    }

    #[test]
    fn a_movement_of_stock_is_the_same_only_with_the_same_key_sku_and_delta() {
        let movement = |sku: &str, delta: i64, name: &str| {
            EventId::of_stock(&sku.parse().unwrap(), delta.try_into().unwrap(), &key(name))
        };
        let first = movement("a", 5, "k1");
        assert_eq!(first, movement("a", 5, "k1"));
        for other in [movement("b", 5, "k1"), movement("a", -5, "k1"), movement("a", 5, "k2")] {
            assert_ne!(first, other);
        }
    }

    #[test]
    fn a_key_with_blanks_or_beyond_the_limit_is_refused() {
        assert!("a b".parse::<IdempotencyKey>().is_err());
        assert!("".parse::<IdempotencyKey>().is_err());
        assert!("x".repeat(129).parse::<IdempotencyKey>().is_err());
    }
}
