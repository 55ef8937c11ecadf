//! What a batch can touch: what has to be read before it is decided. Reads nothing.

use std::collections::{BTreeSet, HashMap};

use events_schema::{Event, OrderId, OrderPlaced, Sku, StockLine, Timestamp};
use runtime::Batch;

use crate::order::{Order, Status};

/// Whether an order that is known is still to be decided: only where all that is known of it is
/// that somebody else asked to cancel it.
pub(super) fn is_to_be_decided(known: &Order, event: &OrderPlaced) -> bool {
    known.only_cancelled() && known.customer_id != event.customer_id
}

/// Whether a fact of the log says otherwise than the row and was decided earlier: see `facts`.
pub(super) fn is_earlier(fact: Timestamp, row: Option<Timestamp>) -> bool {
    row.is_some_and(|row| fact < row)
}

/// The confirmed orders that the batch may release.
pub fn releasable(orders: &HashMap<OrderId, Order>, batch: &Batch<'_>) -> Vec<OrderId> {
    let named = batch.records.iter().filter_map(|record| match &*record.event {
        Event::OrderCancelRequested(event) => Some(event.order_id),
        Event::OrderCancelled(event) => Some(event.order_id),
        Event::OrderRejected(event) => Some(event.order_id),
        Event::OrderPlaced(_)
        | Event::OrderConfirmed(_)
        | Event::ProductUpserted(_)
        | Event::ProductDelisted(_)
        | Event::StockReceived(_) => None,
    });
    let confirmed = |id: &OrderId| orders.get(id).is_some_and(|o| o.status == Status::Confirmed);
    named.filter(confirmed).collect::<BTreeSet<_>>().into_iter().collect()
}

/// The SKUs whose stock the batch may move. The outcomes that come back touch nothing.
pub fn touched(
    orders: &HashMap<OrderId, Order>,
    reserved: &HashMap<OrderId, Vec<StockLine>>,
    batch: &Batch<'_>,
) -> BTreeSet<Sku> {
    let mut skus: BTreeSet<Sku> = reserved.values().flatten().map(|l| l.sku.clone()).collect();
    for record in &batch.records {
        match &*record.event {
            Event::OrderPlaced(event) => {
                let known = orders.get(&event.order_id);
                if known.is_none_or(|known| is_to_be_decided(known, event)) {
                    skus.extend(event.lines.iter().map(|line| line.sku.clone()));
                }
            }
            Event::OrderConfirmed(event) => {
                let known = orders.get(&event.order_id);
                if known.is_none_or(|known| is_earlier(event.confirmed_at, known.decided_at)) {
                    skus.extend(event.reserved.iter().map(|line| line.sku.clone()));
                }
            }
            Event::StockReceived(event) => {
                skus.insert(event.sku.clone());
            }
            Event::OrderCancelRequested(_)
            | Event::OrderRejected(_)
            | Event::OrderCancelled(_)
            | Event::ProductUpserted(_)
            | Event::ProductDelisted(_) => {}
        }
    }
    skus
}
