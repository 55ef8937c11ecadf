//! What a batch of events means for the mails. Pure: reads no table, sends nothing.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use events_schema::{
    Contact, Currency, CustomerId, Event, EventId, Locale, MoneyMinor, OrderId, OrderLine,
    OrderPlaced, Shortage, Sku, Timestamp,
};
use runtime::{Batch, Decision, Delivered};

/// An order is its customer's: what somebody else asks of its id is answered apart, to nobody.
pub(crate) type OrderKey = (OrderId, CustomerId);

/// Two customers' outcomes of one order id have the same event id.
pub(crate) type MailKey = (EventId, CustomerId);

/// What the projection already holds of a batch's orders and mails.
#[derive(Debug, Default)]
pub struct Known {
    /// Orders on record, and whether there is somebody to write to.
    pub orders: HashMap<OrderKey, Addressee>,
    /// Outcomes that have their mail.
    pub mails: HashSet<MailKey>,
    /// An outcome that came about longer before it is read is told to nobody.
    pub max_age: Option<Duration>,
}

/// Whether an order names somebody to write to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Addressee {
    Known,
    Erased,
}

/// What is to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    RecordOrder(OrderRecord),
    QueueMail(MailRecord),
    NameProduct { sku: Sku, name: String },
}

/// What the mails of an order say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderRecord {
    pub order_id: OrderId,
    pub customer_id: CustomerId,
    pub locale: Locale,
    pub contact: Option<Contact>,
    pub currency: Currency,
    pub total: MoneyMinor,
    pub lines: Vec<OrderLine>,
    pub placed_at: Timestamp,
}

/// One row of the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailRecord {
    pub event_id: EventId,
    pub customer_id: CustomerId,
    pub order_id: OrderId,
    pub kind: MailKind,
    pub state: FirstState,
    pub shortages: Vec<Shortage>,
    pub occurred_at: Timestamp,
}

/// Which outcome a mail tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailKind {
    Confirmed,
    Rejected,
    Cancelled,
}

impl MailKind {
    /// The word in the ledger.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Confirmed => "confirmed",
            Self::Rejected => "rejected",
            Self::Cancelled => "cancelled",
        }
    }

    /// The kind by its word in the ledger.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Confirmed, Self::Rejected, Self::Cancelled].into_iter().find(|k| k.as_str() == word)
    }
}

/// How a mail enters the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FirstState {
    Queued,
    Withheld(Reason),
}

/// Why a mail is not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The contact was erased before we read it.
    NoContact,
    /// Its customer placed no such order.
    NotPlaced,
    /// It is no news any more.
    TooOld,
}

impl FirstState {
    /// The word in the ledger.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Withheld(_) => "withheld",
        }
    }

    /// The ledger's word for why.
    pub fn cause(self) -> Option<&'static str> {
        match self {
            Self::Queued => None,
            Self::Withheld(Reason::NoContact) => Some("no-contact"),
            Self::Withheld(Reason::NotPlaced) => Some("not-placed"),
            Self::Withheld(Reason::TooOld) => Some("too-old"),
        }
    }
}

/// Decides every record of the batch, in order.
pub(crate) fn decide(mut known: Known, batch: &Batch<'_>) -> Decision<Change> {
    let mut decision = Decision::default();
    for record in &batch.records {
        match apply(&mut known, record, batch.decided_at) {
            Applied::Changed(change) => decision.changes.push(change),
            Applied::Unchanged => {}
            Applied::Duplicate => decision.duplicates.push(record.source),
        }
    }
    decision
}

enum Applied {
    Changed(Change),
    Unchanged,
    Duplicate,
}

fn apply(known: &mut Known, record: &Delivered<'_>, now: Timestamp) -> Applied {
    let mail = |order_id, customer: &CustomerId, kind, shortages: &[Shortage]| MailRecord {
        event_id: record.event.event_id(),
        customer_id: customer.clone(),
        order_id,
        kind,
        state: FirstState::Queued,
        shortages: shortages.to_vec(),
        occurred_at: record.event.occurred_at(),
    };
    match &*record.event {
        Event::OrderPlaced(placed) => record_order(known, placed),
        Event::OrderConfirmed(e) => {
            queue_mail(known, now, mail(e.order_id, &e.customer_id, MailKind::Confirmed, &[]))
        }
        Event::OrderRejected(e) => queue_mail(
            known,
            now,
            mail(e.order_id, &e.customer_id, MailKind::Rejected, &e.shortages),
        ),
        Event::OrderCancelled(e) => {
            queue_mail(known, now, mail(e.order_id, &e.customer_id, MailKind::Cancelled, &[]))
        }
        Event::ProductUpserted(product) => Applied::Changed(Change::NameProduct {
            sku: product.sku.clone(),
            name: product.name.as_str().to_owned(),
        }),
        // A mail about an earlier order still names what is sold no more.
        Event::ProductDelisted(_) | Event::OrderCancelRequested(_) | Event::StockReceived(_) => {
            Applied::Unchanged
        }
    }
}

fn record_order(known: &mut Known, placed: &OrderPlaced) -> Applied {
    // The first one wins, as it does in inventory: the outcome is of that one.
    let key = (placed.order_id, placed.customer_id.clone());
    if known.orders.contains_key(&key) {
        return Applied::Duplicate;
    }
    let addressee = placed.contact.as_ref().map_or(Addressee::Erased, |_| Addressee::Known);
    known.orders.insert(key, addressee);
    Applied::Changed(Change::RecordOrder(OrderRecord {
        order_id: placed.order_id,
        customer_id: placed.customer_id.clone(),
        locale: placed.locale,
        contact: placed.contact.clone(),
        currency: placed.currency,
        total: placed.total_minor,
        lines: placed.lines.clone(),
        placed_at: placed.placed_at,
    }))
}

/// Queues the mail where there is somebody to write to, and news to tell.
fn queue_mail(known: &mut Known, now: Timestamp, mail: MailRecord) -> Applied {
    if !known.mails.insert((mail.event_id, mail.customer_id.clone())) {
        return Applied::Duplicate;
    }
    let age = (now.to_utc() - mail.occurred_at.to_utc()).to_std().unwrap_or_default();
    let state = match known.orders.get(&(mail.order_id, mail.customer_id.clone())) {
        None => FirstState::Withheld(Reason::NotPlaced),
        Some(Addressee::Erased) => FirstState::Withheld(Reason::NoContact),
        Some(Addressee::Known) if known.max_age.is_some_and(|max| age > max) => {
            FirstState::Withheld(Reason::TooOld)
        }
        Some(Addressee::Known) => FirstState::Queued,
    };
    Applied::Changed(Change::QueueMail(MailRecord { state, ..mail }))
}

#[cfg(test)]
#[path = "decide_tests.rs"]
mod tests;
