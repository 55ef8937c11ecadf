#![doc = include_str!("../README.md")]
#![deny(missing_docs)]

pub mod border;
pub mod currencies;
mod datum;
pub mod envelope;
pub mod event;
pub mod ids;
pub mod limits;
pub mod meaning;
mod readable;
pub mod reading;
mod record_position;
pub mod text;
pub mod topics;
pub mod values;
pub mod wire;

pub use event::{
    Contact, Event, EventType, OrderCancelRequested, OrderCancelled, OrderConfirmed, OrderLine,
    OrderPlaced, OrderRejected, ProductDelisted, ProductUpserted, Shortage, StockLine,
    StockReceived,
};
pub use ids::{EventId, IdempotencyKey, OrderId};
pub use record_position::{InvalidPosition, RecordPosition};
pub use text::{EmailAddress, PersonName, Text};
pub use topics::Topic;
pub use values::{Currency, CustomerId, Locale, MoneyMinor, Quantity, Sku, StockDelta, Timestamp};
