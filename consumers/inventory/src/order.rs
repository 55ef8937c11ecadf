//! An order as the projection holds it: a row of `orders`. Decides nothing and reads no database.

use events_schema::{Currency, CustomerId, MoneyMinor, OrderId, OrderPlaced, Shortage, Timestamp};
use runtime::Source;

/// A row of `orders`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    pub order_id: OrderId,
    pub customer_id: CustomerId,
    pub status: Status,
    /// What its `OrderPlaced` says; `None` where only a later event of it was seen.
    pub placed: Option<Placed>,
    /// When it was confirmed or rejected; `None` where it was cancelled before it was placed.
    pub decided_at: Option<Timestamp>,
    pub cancelled_at: Option<Timestamp>,
    pub shortages: Vec<Shortage>,
    /// The record that made the row.
    pub made_by: Place,
}

/// What became of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Status {
    Confirmed,
    Rejected,
    Cancelled,
}

/// What only `OrderPlaced` says of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placed {
    pub currency: Currency,
    pub total: MoneyMinor,
    pub fingerprint: i64,
    pub at: Timestamp,
}

/// A place in the orders topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    pub partition: i32,
    pub offset: i64,
}

impl Order {
    /// The row of an order of which nothing but this is known yet.
    pub fn new(source: Source, order_id: OrderId, customer: &CustomerId, status: Status) -> Self {
        Self {
            order_id,
            customer_id: customer.clone(),
            status,
            placed: None,
            decided_at: None,
            cancelled_at: None,
            shortages: Vec::new(),
            made_by: source.into(),
        }
    }

    /// Whether somebody asked to cancel it and nothing else is known of it: whoever that was need
    /// not be who places it.
    pub fn only_cancelled(&self) -> bool {
        self.placed.is_none() && self.decided_at.is_none()
    }
}

impl From<&OrderPlaced> for Placed {
    fn from(event: &OrderPlaced) -> Self {
        Self {
            currency: event.currency,
            total: event.total_minor,
            fingerprint: event.fingerprint,
            at: event.placed_at,
        }
    }
}

impl From<Source> for Place {
    fn from(source: Source) -> Self {
        Self { partition: source.partition.0, offset: source.offset.0 }
    }
}

impl Status {
    /// As in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Confirmed => "confirmed",
            Self::Rejected => "rejected",
            Self::Cancelled => "cancelled",
        }
    }

    /// From the database.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Confirmed, Self::Rejected, Self::Cancelled]
            .into_iter()
            .find(|status| status.as_str() == text)
    }
}
