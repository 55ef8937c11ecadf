//! The log by subject: every event with its place, each once in memory however many projections
//! are checked. Decides nothing: what a projection has seen of it is a `View`.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;

use events_schema::{Event, OrderId, ProductUpserted, Sku, StockReceived, Topic};

/// Where a record stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) topic: Topic,
    pub(super) partition: i32,
    pub(super) offset: i64,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}@{}", self.topic.name(), self.partition, self.offset)
    }
}

/// An event of an order, where it stands.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) place: Place,
    pub(super) event: Box<Event>,
}

/// Everything the log says.
#[derive(Debug, Default)]
pub(super) struct Story {
    pub(super) orders: BTreeMap<OrderId, Vec<Told>>,
    products: BTreeMap<Sku, Vec<(Place, ProductUpserted)>>,
    stock: Vec<(Place, StockReceived)>,
    /// Records that cannot be decoded, with the type in their headers.
    pub(super) undecodable: Vec<(Place, Option<String>)>,
}

impl Story {
    /// Takes in the next record of a partition.
    pub(super) fn tell(&mut self, place: Place, event: Event) {
        let order_id = match event {
            Event::ProductUpserted(event) => {
                self.products.entry(event.sku.clone()).or_default().push((place, event));
                return;
            }
            Event::StockReceived(event) => return self.stock.push((place, event)),
            Event::OrderPlaced(ref event) => event.order_id,
            Event::OrderCancelRequested(ref event) => event.order_id,
            Event::OrderConfirmed(ref event) => event.order_id,
            Event::OrderRejected(ref event) => event.order_id,
            Event::OrderCancelled(ref event) => event.order_id,
        };
        self.orders.entry(order_id).or_default().push(Told { place, event: Box::new(event) });
    }
}

/// What a projection says of itself, all in one snapshot.
#[derive(Debug, Default)]
pub(super) struct Stand {
    /// The next offset of every partition.
    pub(super) positions: BTreeMap<(Topic, i32), i64>,
    pub(super) parked: HashSet<Place>,
    /// Facts that are decided but may not be in the log yet.
    pub(super) outbox: HashMap<OrderId, Vec<Event>>,
}

/// The part of the story that a projection has seen.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    pub(super) story: &'a Story,
    pub(super) stand: &'a Stand,
}

impl<'a> View<'a> {
    /// Below the position, and not parked.
    pub(super) fn has_seen(&self, place: Place) -> bool {
        let position = self.stand.positions.get(&(place.topic, place.partition));
        position.is_some_and(|next| place.offset < *next) && !self.stand.parked.contains(&place)
    }

    /// The events of an order that it has seen.
    pub(super) fn seen(&self, told: &'a [Told]) -> impl Iterator<Item = &'a Told> {
        let view = *self;
        told.iter().filter(move |told| view.has_seen(told.place))
    }

    /// The last record of each SKU that it has seen, in SKU order.
    pub(super) fn products(&self) -> impl Iterator<Item = &'a ProductUpserted> + 'a {
        let view = *self;
        self.story.products.values().filter_map(move |records| {
            let seen = records.iter().rfind(|(place, _)| view.has_seen(*place));
            seen.map(|(_, product)| product)
        })
    }

    /// Every stock record that it has seen, at its first occurrence.
    pub(super) fn stock(&self) -> impl Iterator<Item = &'a StockReceived> + 'a {
        let view = *self;
        let mut known = HashSet::new();
        let seen = self.story.stock.iter().filter(move |(place, _)| view.has_seen(*place));
        seen.map(|(_, event)| event).filter(move |event| known.insert(event.event_id))
    }
}
