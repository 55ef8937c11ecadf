//! The log by subject: every event with its place, each once however many projections are checked.
//! Decides nothing: what a projection has seen of it is a `View`.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::io;
use std::sync::OnceLock;

use events_schema::{
    Event, EventId, OrderId, ProductUpserted, RecordPosition, Sku, StockReceived, Topic,
};

use super::parked::Parked;
use super::record::{LogRecord, Unreadable};
use super::row::Row;
use super::shelf::{Orders, Shelf};

/// An event of an order, where it stands.
#[derive(Debug, Clone)]
pub(super) struct Told {
    pub(super) place: RecordPosition,
    pub(super) event: Box<Event>,
}

/// What a record says of a product.
#[derive(Debug)]
enum Product {
    Described(ProductUpserted),
    Delisted,
    /// Nobody can read it.
    Unreadable,
}

/// Events of orders that are in memory at most.
const HELD_MAX: usize = 100_000;

/// Everything the log says.
#[derive(Debug, Default)]
pub(super) struct Story {
    /// Those that were told last; the others are put aside.
    pub(super) orders: Orders,
    held: usize,
    shelf: Option<Shelf>,
    /// Why what was put aside is not all there.
    broken: OnceLock<String>,
    products: BTreeMap<Sku, Vec<(RecordPosition, Product)>>,
    pub(super) stock: Vec<(RecordPosition, StockReceived)>,
    pub(super) unreadable: BTreeMap<RecordPosition, Unreadable>,
    /// What stands where some projection has parked a record.
    pub(super) parked: HashMap<RecordPosition, LogRecord>,
    /// Partitions that compaction has taken records from.
    pub(super) compacted: HashSet<(Topic, i32)>,
}

impl Story {
    /// Takes in the next record of a partition.
    pub(super) fn tell(&mut self, place: RecordPosition, event: Event) {
        match event {
            Event::ProductUpserted(event) => {
                let records = self.products.entry(event.sku.clone()).or_default();
                records.push((place, Product::Described(event)));
            }
            Event::ProductDelisted(event) => {
                let records = self.products.entry(event.sku).or_default();
                records.push((place, Product::Delisted));
            }
            Event::StockReceived(event) => self.stock.push((place, event)),
            of_order => {
                let Some(order_id) = of_order.order_id() else { return };
                let told = Told { place, event: Box::new(of_order) };
                self.orders.entry(order_id).or_default().push(told);
                self.held += 1;
            }
        }
    }

    /// Puts the orders aside where they have become many.
    pub(super) fn make_room(&mut self) -> anyhow::Result<()> {
        let is_full = self.held >= HELD_MAX;
        if is_full { self.put_aside().map_err(|error| not_kept(&error)) } else { Ok(()) }
    }

    pub(super) fn put_aside(&mut self) -> io::Result<()> {
        let shelf = match &mut self.shelf {
            Some(shelf) => shelf,
            empty => empty.insert(Shelf::new()?),
        };
        self.held = 0;
        shelf.take(&mut self.orders)
    }

    /// Every order once, by id, a slice of them at a time. Whoever has gone through them asks
    /// whether they were [`Self::whole`].
    fn slices(&self) -> Box<dyn Iterator<Item = Cow<'_, Orders>> + Send + '_> {
        match &self.shelf {
            None => Box::new(std::iter::once(Cow::Borrowed(&self.orders))),
            Some(shelf) => Box::new(shelf.slices(&self.orders).map_while(|slice| self.kept(slice))),
        }
    }

    /// What was put aside; that it cannot be had is noted.
    pub(super) fn kept<T>(&self, kept: io::Result<T>) -> Option<T> {
        kept.inspect_err(|error| drop(self.broken.set(format!("{:#}", not_kept(error))))).ok()
    }

    /// Fails where something that was put aside did not come back: then nothing was compared.
    pub(super) fn whole(&self) -> anyhow::Result<()> {
        self.broken.get().map_or(Ok(()), |why| Err(anyhow::anyhow!("{why}")))
    }

    #[cfg(test)]
    pub(super) fn shelf(&self) -> &Shelf {
        self.shelf.as_ref().unwrap()
    }

    /// Takes in a record that is no event, under its key.
    pub(super) fn tell_unreadable(
        &mut self,
        place: RecordPosition,
        key: Option<&[u8]>,
        what: Unreadable,
    ) {
        let sku = key.and_then(|key| std::str::from_utf8(key).ok()?.parse().ok());
        if let Some(sku) = sku.filter(|_| place.topic == Topic::Products) {
            self.products.entry(sku).or_default().push((place, Product::Unreadable));
        }
        self.unreadable.insert(place, what);
    }
}

fn not_kept(error: &io::Error) -> anyhow::Error {
    let folder = std::env::temp_dir();
    anyhow::anyhow!("could not keep the log's orders in {} (TMPDIR): {error}", folder.display())
}

#[cfg(test)]
#[path = "memory_tests.rs"]
mod memory_tests;

/// What a projection says of itself, all in one snapshot.
#[derive(Debug, Default)]
pub(super) struct Stand {
    /// The next offset of every partition.
    pub(super) positions: BTreeMap<(Topic, i32), i64>,
    pub(super) parked: BTreeMap<RecordPosition, Parked>,
    /// Of each subject the first row that other rows may have waited behind, though it is not among
    /// `parked`: it was redriven, or its topic was made again.
    pub(super) gone_before: HashMap<(Topic, String), i64>,
    /// Parked rows of topics that were made again: their offsets mean other records now.
    pub(super) former: usize,
    /// Topics of parked rows that it does not read.
    pub(super) strays: Vec<String>,
    /// Stock records that a rule of the domain refused: they changed nothing.
    pub(super) refused: HashSet<EventId>,
    /// Facts that are decided but may not be in the log yet.
    pub(super) outbox: HashMap<OrderId, Vec<Event>>,
}

impl Stand {
    /// Notes a row that later ones of its subject may have waited behind.
    pub(super) fn went_before(&mut self, topic: Topic, subject: String, id: i64) {
        let first = self.gone_before.entry((topic, subject)).or_insert(id);
        *first = id.min(*first);
    }
}

/// The part of the story that a projection has seen.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    pub(super) story: &'a Story,
    pub(super) stand: &'a Stand,
}

impl<'a> View<'a> {
    /// Below the position, and not parked.
    pub(super) fn has_seen(&self, place: RecordPosition) -> bool {
        self.has_passed(place) && !self.stand.parked.contains_key(&place)
    }

    /// Below the position.
    pub(super) fn has_passed(&self, place: RecordPosition) -> bool {
        let position = self.stand.positions.get(&(place.topic, place.partition));
        position.is_some_and(|next| place.offset < *next)
    }

    /// The events of an order that it has seen.
    pub(super) fn seen(&self, told: &'a [Told]) -> impl Iterator<Item = &'a Told> {
        let view = *self;
        told.iter().filter(move |told| view.has_seen(told.place))
    }

    /// Looks at every order, by id.
    pub(super) fn each_order(&self, mut each: impl FnMut(OrderId, &[Told])) {
        for slice in self.story.slices() {
            slice.iter().for_each(|(order, told)| each(*order, told));
        }
    }

    /// The rows of every order, by id.
    pub(super) fn rows_of_orders<R: IntoIterator<Item = Row>>(
        &self,
        rows: impl Fn(View<'_>, OrderId, &[Told]) -> R + Send + 'a,
    ) -> impl Iterator<Item = Row> + Send + 'a {
        let view = *self;
        self.story.slices().flat_map(move |slice| {
            let rows = slice.iter().flat_map(|(order, told)| rows(view, *order, told));
            rows.collect::<Vec<_>>()
        })
    }

    /// The row of each SKU that is listed, in SKU order: what the last record says that it has seen.
    /// Where only others are left of a SKU, compaction may have taken that one away: whatever
    /// Postgres holds of it cannot be compared.
    pub(super) fn products(
        &self,
        cells: impl Fn(&ProductUpserted) -> Vec<Option<String>> + Send + 'a,
    ) -> impl Iterator<Item = Row> + Send + 'a {
        self.last_of_products(|product| !matches!(product, Product::Unreadable), cells)
    }

    /// The same of what was ever listed: the last description stays when it is listed no more.
    pub(super) fn descriptions(
        &self,
        cells: impl Fn(&ProductUpserted) -> Vec<Option<String>> + Send + 'a,
    ) -> impl Iterator<Item = Row> + Send + 'a {
        self.last_of_products(|product| matches!(product, Product::Described(_)), cells)
    }

    fn last_of_products(
        &self,
        counts: fn(&Product) -> bool,
        cells: impl Fn(&ProductUpserted) -> Vec<Option<String>> + Send + 'a,
    ) -> impl Iterator<Item = Row> + Send + 'a {
        let view = *self;
        self.story.products.iter().filter_map(move |(sku, records)| {
            let seen = records.iter().rev().filter(|(place, _)| view.has_seen(*place));
            let mut last = seen.map(|(_, product)| product).filter(|product| counts(product));
            let is_compacted = |(place, _): &(RecordPosition, _)| {
                view.story.compacted.contains(&(place.topic, place.partition))
            };
            match last.next() {
                Some(Product::Described(product)) => Some(Row::new(sku, cells(product))),
                Some(_) => None,
                None => records.iter().any(is_compacted).then(|| Row::lost(sku)),
            }
        })
    }

    /// Every stock record that it has seen, at its first occurrence.
    pub(super) fn stock(&self) -> impl Iterator<Item = (RecordPosition, &'a StockReceived)> + 'a {
        let view = *self;
        let mut known = HashSet::new();
        let seen = self.story.stock.iter().filter(move |(place, _)| view.has_seen(*place));
        let first = seen.filter(move |(_, event)| known.insert(event.event_id));
        first.map(|(place, event)| (*place, event))
    }

    /// What a stock record added to the shelf.
    pub(super) fn added(&self, event: &StockReceived) -> i32 {
        if self.stand.refused.contains(&event.event_id) { 0 } else { event.delta.get() }
    }
}
