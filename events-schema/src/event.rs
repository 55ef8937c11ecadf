//! The events as Rust values, one struct per `.avsc`. Does not know bytes or ids: see `wire`.

use serde::{Deserialize, Serialize};

use crate::ids::{EventId, OrderId};
use crate::limits;
use crate::text::{EmailAddress, PersonName, Text};
use crate::topics::Topic;
use crate::values::{
    self, Currency, CustomerId, Locale, MoneyMinor, Quantity, Sku, StockDelta, Timestamp,
};

macro_rules! event_types {
    ($($name:ident => ($topic:ident, $file:literal)),+ ; $gone:ident => $of:ident) => {
        /// The type of an event: one schema each.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum EventType {
            $(#[doc = concat!("See [`struct@", stringify!($name), "`].")] $name,)+
            #[doc = concat!("See [`struct@", stringify!($gone), "`].")]
            $gone,
        }

        impl EventType {
            /// The type that is a tombstone: it has no bytes, so no schema is registered for it.
            pub const TOMBSTONE: Self = Self::$gone;

            /// Every type that has a schema: all but [`Self::TOMBSTONE`].
            pub const ALL: [Self; [$(stringify!($name)),+].len()] = [$(Self::$name),+];

            /// The record's name without its namespace.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)+
                    Self::$gone => stringify!($gone),
                }
            }

            /// The full name of the Avro record, which is also `ce_type`.
            pub fn full_name(self) -> &'static str {
                match self {
                    $(Self::$name => concat!("orderflow.", stringify!($name)),)+
                    Self::$gone => concat!("orderflow.", stringify!($gone)),
                }
            }

            /// The topic it is written to.
            pub fn topic(self) -> Topic {
                match self {
                    $(Self::$name => Topic::$topic,)+
                    Self::$gone => Topic::$of,
                }
            }

            /// What the files of its schema and of its examples are called, such as `order_placed`.
            /// A tombstone has none.
            pub fn file_name(self) -> &'static str {
                match self {
                    $(Self::$name => $file,)+
                    Self::$gone => "tombstone",
                }
            }

            /// The schema it is written with: the text of its `.avsc`. A tombstone's is Avro's null.
            pub fn schema(self) -> &'static str {
                match self {
                    $(Self::$name => include_str!(concat!("../schemas/", $file, ".avsc")),)+
                    Self::$gone => r#""null""#,
                }
            }

            /// The registry's subject by TopicRecordName.
            pub fn subject(self) -> String {
                format!("{}-{}", self.topic().name(), self.full_name())
            }

            /// The type of that full name, if this build knows it.
            pub fn from_full_name(name: &str) -> Option<Self> {
                let every = Self::ALL.into_iter().chain([Self::TOMBSTONE]);
                every.into_iter().find(|event_type| event_type.full_name() == name)
            }
        }

        /// Any event of the log.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum Event {
            $(#[doc = concat!("See [`struct@", stringify!($name), "`].")] $name($name),)+
            #[doc = concat!("See [`struct@", stringify!($gone), "`].")]
            $gone($gone),
        }

        impl Event {
            /// Which type it is.
            pub fn event_type(&self) -> EventType {
                match self {
                    $(Self::$name(_) => EventType::$name,)+
                    Self::$gone(_) => EventType::$gone,
                }
            }

            /// Its id.
            pub fn event_id(&self) -> EventId {
                match self {
                    $(Self::$name(event) => event.event_id,)+
                    Self::$gone(event) => event.event_id,
                }
            }
        }

        $(impl From<$name> for Event {
            fn from(event: $name) -> Self {
                Self::$name(event)
            }
        })+

        impl From<$gone> for Event {
            fn from(event: $gone) -> Self {
                Self::$gone(event)
            }
        }
    };
}

event_types! {
    OrderPlaced => (Orders, "order_placed"),
    OrderCancelRequested => (Orders, "order_cancel_requested"),
    OrderConfirmed => (Orders, "order_confirmed"),
    OrderRejected => (Orders, "order_rejected"),
    OrderCancelled => (Orders, "order_cancelled"),
    ProductUpserted => (Products, "product_upserted"),
    StockReceived => (Stock, "stock_received");
    ProductDelisted => Products
}

/// A client placed an order; nothing is promised about stock yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderPlaced {
    /// UUIDv5 of (order, type).
    pub event_id: EventId,
    /// The order.
    pub order_id: OrderId,
    /// Who ordered.
    pub customer_id: CustomerId,
    /// When the API took it.
    pub placed_at: Timestamp,
    /// Of every amount in the order.
    pub currency: Currency,
    /// Sum over the lines.
    pub total_minor: MoneyMinor,
    /// What was ordered, 1 to 500 lines; a SKU may stand in several.
    #[serde(deserialize_with = "values::order_lines")]
    pub lines: Vec<OrderLine>,
    /// Language of the mails.
    pub locale: Locale,
    /// Whom to write to; `None` once it is erased.
    #[serde(default)]
    pub contact: Option<Contact>,
    /// Hash of the customer, the lines and the locale: tells a retry from a different order under
    /// the same key. The contact is no part of it, so nothing of it is left when it is erased;
    /// another contact alone is no different order.
    pub fingerprint: i64,
}

/// One line of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderLine {
    /// What.
    pub sku: Sku,
    /// How many.
    pub quantity: Quantity,
    /// At what price, from the catalogue at the time of the order.
    pub unit_price_minor: MoneyMinor,
}

/// The only personal data of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contact {
    /// How to address the customer.
    pub name: PersonName,
    /// Where the mails go.
    pub email: EmailAddress,
}

/// A client asked to cancel an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderCancelRequested {
    /// UUIDv5 of (order, type).
    pub event_id: EventId,
    /// The order.
    pub order_id: OrderId,
    /// Who asked.
    pub customer_id: CustomerId,
    /// When the API took it.
    pub requested_at: Timestamp,
    /// The client's own words.
    #[serde(default)]
    pub reason: Option<Text<{ limits::REASON_CHARS_MAX }>>,
}

/// Inventory reserved every line of the order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderConfirmed {
    /// UUIDv5 of (order, type).
    pub event_id: EventId,
    /// The order.
    pub order_id: OrderId,
    /// Who ordered.
    pub customer_id: CustomerId,
    /// When inventory decided.
    pub confirmed_at: Timestamp,
    /// What left the shelf: one entry per SKU, in SKU order.
    pub reserved: Vec<StockLine>,
}

/// Units of one SKU.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StockLine {
    /// What.
    pub sku: Sku,
    /// How many: at least 1. The sum of an order's lines, so it may exceed one line's limit.
    #[serde(deserialize_with = "values::at_least::<1, _>")]
    pub quantity: i32,
}

/// Inventory could not reserve the whole order and reserved nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderRejected {
    /// UUIDv5 of (order, type).
    pub event_id: EventId,
    /// The order.
    pub order_id: OrderId,
    /// Who ordered.
    pub customer_id: CustomerId,
    /// When inventory decided.
    pub rejected_at: Timestamp,
    /// Every SKU that was short, in SKU order.
    pub shortages: Vec<Shortage>,
}

/// A SKU that was short.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shortage {
    /// What.
    pub sku: Sku,
    /// How many were asked for: at least 1.
    #[serde(deserialize_with = "values::at_least::<1, _>")]
    pub requested: i32,
    /// How many there were: never negative.
    #[serde(deserialize_with = "values::at_least::<0, _>")]
    pub available: i32,
}

/// The order is cancelled; what it had reserved is back on the shelf.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderCancelled {
    /// UUIDv5 of (order, type).
    pub event_id: EventId,
    /// The order.
    pub order_id: OrderId,
    /// Who ordered.
    pub customer_id: CustomerId,
    /// When inventory decided.
    pub cancelled_at: Timestamp,
    /// What came back to the shelf; empty where nothing was reserved.
    pub released: Vec<StockLine>,
}

/// The whole truth about a product, as of `updated_at`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProductUpserted {
    /// UUIDv7.
    pub event_id: EventId,
    /// Which product.
    pub sku: Sku,
    /// Its name.
    pub name: Text<{ limits::PRODUCT_NAME_CHARS_MAX }>,
    /// Its department.
    pub department: Text<{ limits::DEPARTMENT_CHARS_MAX }>,
    /// Price of one unit; 0 for a free item.
    pub price_minor: MoneyMinor,
    /// Of the price.
    pub currency: Currency,
    /// When the API took it.
    pub updated_at: Timestamp,
}

/// A product is sold no more, until it is described again. On the log it is a tombstone: a record
/// without a value under the SKU, as the compacted topic asks for, whatever its headers say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ProductDelisted {
    /// UUIDv7 from its header; without one, the same for every tombstone of the SKU.
    pub event_id: EventId,
    /// Which product.
    pub sku: Sku,
    /// When it was written.
    pub delisted_at: Timestamp,
}

/// Units came to the shelf, or left it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StockReceived {
    /// UUIDv5 of (sku, delta, key) or UUIDv7.
    pub event_id: EventId,
    /// What.
    pub sku: Sku,
    /// How many.
    pub delta: StockDelta,
    /// When the API took it.
    pub received_at: Timestamp,
}

/// What an event is about.
enum About<'a> {
    /// An order, and whose.
    Order(OrderId, &'a CustomerId),
    Product(&'a Sku),
}

impl Event {
    fn about(&self) -> About<'_> {
        match self {
            Self::OrderPlaced(event) => About::Order(event.order_id, &event.customer_id),
            Self::OrderCancelRequested(event) => About::Order(event.order_id, &event.customer_id),
            Self::OrderConfirmed(event) => About::Order(event.order_id, &event.customer_id),
            Self::OrderRejected(event) => About::Order(event.order_id, &event.customer_id),
            Self::OrderCancelled(event) => About::Order(event.order_id, &event.customer_id),
            Self::ProductUpserted(event) => About::Product(&event.sku),
            Self::ProductDelisted(event) => About::Product(&event.sku),
            Self::StockReceived(event) => About::Product(&event.sku),
        }
    }

    /// The order, of every event of an order.
    pub fn order_id(&self) -> Option<OrderId> {
        match self.about() {
            About::Order(order_id, _) => Some(order_id),
            About::Product(_) => None,
        }
    }

    /// Who ordered, or asked to cancel, of every event of an order.
    pub fn customer_id(&self) -> Option<&CustomerId> {
        match self.about() {
            About::Order(_, customer_id) => Some(customer_id),
            About::Product(_) => None,
        }
    }

    /// What the event is about, which is also `ce_subject`: the order, or the SKU. Order is kept
    /// per subject, and a poison record parks the later events of its subject.
    pub fn subject(&self) -> String {
        match self.about() {
            About::Order(order_id, _) => order_id.to_string(),
            About::Product(sku) => sku.to_string(),
        }
    }

    /// The record's key, which decides the partition: the customer, or the SKU.
    pub fn key(&self) -> &str {
        match self.about() {
            About::Order(_, customer_id) => customer_id.as_str(),
            About::Product(sku) => sku.as_str(),
        }
    }

    /// When the fact became true.
    pub fn occurred_at(&self) -> Timestamp {
        match self {
            Self::OrderPlaced(event) => event.placed_at,
            Self::OrderCancelRequested(event) => event.requested_at,
            Self::OrderConfirmed(event) => event.confirmed_at,
            Self::OrderRejected(event) => event.rejected_at,
            Self::OrderCancelled(event) => event.cancelled_at,
            Self::ProductUpserted(event) => event.updated_at,
            Self::ProductDelisted(event) => event.delisted_at,
            Self::StockReceived(event) => event.received_at,
        }
    }
}
