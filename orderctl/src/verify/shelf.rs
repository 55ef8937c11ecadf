//! Orders that are put aside by their id, and come back slice by slice: in memory are only a slice and
//! what was told last. An order id may be named in several partitions, by strangers: the id alone
//! says where its events come together.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io;

use events_schema::wire::{Decoder, Encoder};
use events_schema::{EventType, OrderId, RecordPosition};

use super::spool::Spool;
use super::story::Told;

/// The events of each order, in the order in which they were told.
pub(super) type Orders = BTreeMap<OrderId, Vec<Told>>;

/// So many bits of an order's id say in which slice it is: ids are hashes, so slices are alike.
const SLICE_BITS: u32 = 12;

/// What is put aside.
#[derive(Debug)]
pub(super) struct Shelf {
    spool: Spool<u16>,
    encoder: Encoder,
    decoder: Decoder,
}

fn slice_of(order: OrderId) -> u16 {
    let [high, low, ..] = order.uuid().into_bytes();
    u16::from_be_bytes([high, low]) >> (u16::BITS - SLICE_BITS)
}

impl Shelf {
    pub(super) fn new() -> io::Result<Self> {
        let numbered = || EventType::ALL.into_iter().zip(0..);
        let mut decoder = Decoder::default();
        numbered().for_each(|(event_type, id)| decoder.learn(id, event_type.schema()));
        Ok(Self { spool: Spool::new()?, encoder: Encoder::new(numbered()), decoder })
    }

    /// Takes them all, and leaves none.
    pub(super) fn take(&mut self, orders: &mut Orders) -> io::Result<()> {
        let mut entry = Vec::new();
        for (order, told) in std::mem::take(orders) {
            for Told { place, event } in told {
                entry.clear();
                entry.extend_from_slice(&order.uuid().into_bytes());
                entry.extend_from_slice(&place.partition.to_le_bytes());
                entry.extend_from_slice(&place.offset.to_le_bytes());
                entry = self.encoder.encode(&event, entry).map_err(io::Error::other)?;
                self.spool.push(slice_of(order), &entry)?;
            }
        }
        Ok(())
    }

    /// The slices in the order of their orders' ids, with what is not put aside yet.
    pub(super) fn slices<'a>(
        &'a self,
        rest: &'a Orders,
    ) -> impl Iterator<Item = io::Result<Cow<'a, Orders>>> + Send + 'a {
        (0..1 << SLICE_BITS).map(move |number| self.slice(number, rest).map(Cow::Owned))
    }

    fn slice(&self, number: u16, rest: &Orders) -> io::Result<Orders> {
        let mut orders = Orders::new();
        self.spool.read(&number, |entry| {
            let (order, told) = self.told(entry)?;
            orders.entry(order).or_default().push(told);
            Ok(())
        })?;
        let from = u128::from(number) << (u128::BITS - SLICE_BITS);
        let to = from | (u128::MAX >> SLICE_BITS);
        let [from, to] = [from, to].map(|id| OrderId::from(uuid::Uuid::from_u128(id)));
        for (order, told) in rest.range(from..=to) {
            orders.entry(*order).or_default().extend(told.iter().cloned());
        }
        Ok(orders)
    }

    fn told(&self, entry: &[u8]) -> io::Result<(OrderId, Told)> {
        let parts = entry.split_first_chunk().and_then(|(order, rest)| {
            let (partition, rest) = rest.split_first_chunk()?;
            let (offset, value) = rest.split_first_chunk()?;
            let order = OrderId::from(uuid::Uuid::from_bytes(*order));
            Some((order, i32::from_le_bytes(*partition), i64::from_le_bytes(*offset), value))
        });
        let (order, partition, offset, value) = parts.ok_or(io::ErrorKind::UnexpectedEof)?;
        let event = self.decoder.decode(value).map_err(io::Error::other)?;
        let place = RecordPosition { topic: event.event_type().topic(), partition, offset };
        Ok((order, Told { place, event: Box::new(event) }))
    }

    #[cfg(test)]
    pub(super) fn spool(&self) -> &Spool<u16> {
        &self.spool
    }
}
