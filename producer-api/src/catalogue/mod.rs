//! What is sold, at what price: the compacted products topic in memory. Reads no topic itself: see
//! `follow`.

mod fetched;
pub(crate) mod follow;

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use events_schema::{Currency, Event, MoneyMinor, Sku};

/// The price of one unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Price {
    pub(crate) unit_minor: MoneyMinor,
    pub(crate) currency: Currency,
}

/// The price of every product.
pub(crate) type Prices = HashMap<Sku, Price>;

/// The catalogue, empty-handed until it has been read to its end once. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct Catalogue(Arc<RwLock<Option<Prices>>>);

impl Catalogue {
    /// Looks prices up, all under one lock; `None` until the catalogue is known.
    pub(crate) fn look_up<T>(&self, find: impl FnOnce(&Prices) -> T) -> Option<T> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).as_ref().map(find)
    }

    /// Everything that was known is replaced.
    pub(crate) fn replace(&self, prices: Prices) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Some(prices);
    }

    /// One product changed; how many there are now.
    pub(crate) fn change(&self, change: Change) -> usize {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let prices = known.get_or_insert_default();
        change.apply(prices);
        prices.len()
    }
}

/// What a record of the products topic says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// The product is sold at this price.
    Sold(Sku, Price),
    /// A tombstone: the product is gone, as compaction will make it.
    Gone(Sku),
}

impl Change {
    fn apply(self, prices: &mut Prices) {
        match self {
            Self::Sold(sku, price) => prices.insert(sku, price),
            Self::Gone(sku) => prices.remove(&sku),
        };
    }
}

impl TryFrom<Event> for Change {
    type Error = String;

    fn try_from(event: Event) -> Result<Self, String> {
        match event {
            Event::ProductUpserted(event) => {
                let price = Price { unit_minor: event.price_minor, currency: event.currency };
                Ok(Self::Sold(event.sku, price))
            }
            Event::ProductDelisted(event) => Ok(Self::Gone(event.sku)),
            other => Err(format!("{} says nothing of a product", other.event_type().name())),
        }
    }
}
