//! Inventory's own outcomes as they come back in the log. Decides nothing: what was published is
//! the truth, whatever this copy of the tables knows.
//!
//! Normally the row is there and says the same: a duplicate. Otherwise the tables are older than
//! the log (restored from a copy), and of two outcomes the one that was decided first stands.

use events_schema::limits::QUANTITY_MAX;
use events_schema::{
    MoneyMinor, OrderCancelled, OrderConfirmed, OrderLine, OrderRejected, Quantity, StockLine,
};
use runtime::Source;

use super::reach::is_earlier;
use super::{Desk, STOCK_BELOW_ZERO, Verdict};
use crate::order::{Order, Status};

impl Desk {
    pub(super) fn was_confirmed(&mut self, source: Source, event: &OrderConfirmed) -> Verdict {
        let order_id = event.order_id;
        let known = self.state.orders.get(&order_id).cloned();
        if known.as_ref().is_some_and(|known| {
            known.customer_id != event.customer_id
                || known.status == Status::Cancelled
                || !is_earlier(event.confirmed_at, known.decided_at)
        }) {
            return Verdict::Duplicate;
        }
        if known.as_ref().is_none_or(|known| known.status == Status::Rejected) {
            if let Some(short) = self.shortages(&event.reserved).first() {
                let detail = format!("order {order_id} took more of {} than there is", short.sku);
                return Verdict::Rejected { cause: STOCK_BELOW_ZERO, detail };
            }
            self.reserve(order_id, event.reserved.clone());
        }
        let mut order = known.unwrap_or_else(|| {
            self.lines.insert(order_id, without_prices(&event.reserved));
            Order::new(source, order_id, &event.customer_id, Status::Confirmed)
        });
        order.status = Status::Confirmed;
        order.decided_at = Some(event.confirmed_at);
        order.shortages.clear();
        self.write(order)
    }

    pub(super) fn was_rejected(&mut self, source: Source, event: &OrderRejected) -> Verdict {
        let known = self.state.orders.get(&event.order_id).cloned();
        if known.as_ref().is_some_and(|known| {
            known.customer_id != event.customer_id
                || known.status == Status::Cancelled
                || !is_earlier(event.rejected_at, known.decided_at)
        }) {
            return Verdict::Duplicate;
        }
        self.release(event.order_id);
        let new = || Order::new(source, event.order_id, &event.customer_id, Status::Rejected);
        let mut order = known.unwrap_or_else(new);
        order.status = Status::Rejected;
        order.decided_at = Some(event.rejected_at);
        order.shortages.clone_from(&event.shortages);
        self.write(order)
    }

    pub(super) fn was_cancelled(&mut self, source: Source, event: &OrderCancelled) -> Verdict {
        let known = self.state.orders.get(&event.order_id).cloned();
        if known.as_ref().is_some_and(|known| {
            known.customer_id != event.customer_id
                || known.status == Status::Cancelled
                    && !is_earlier(event.cancelled_at, known.cancelled_at)
        }) {
            return Verdict::Duplicate;
        }
        // What the row holds, not what the fact says: an order that never took anything here has
        // nothing to give back.
        self.release(event.order_id);
        let new = || Order::new(source, event.order_id, &event.customer_id, Status::Cancelled);
        let mut order = known.unwrap_or_else(new);
        order.status = Status::Cancelled;
        order.cancelled_at = Some(event.cancelled_at);
        self.write(order)
    }
}

/// The lines of an order whose `OrderPlaced` was never seen, so that it can be released.
fn without_prices(reserved: &[StockLine]) -> Vec<OrderLine> {
    reserved.iter().flat_map(lines_of).collect()
}

/// What an order reserved of a SKU over all its lines may be more than one line can hold.
fn lines_of(stock: &StockLine) -> impl Iterator<Item = OrderLine> {
    let mut left = stock.quantity;
    std::iter::from_fn(move || {
        let quantity = Quantity::try_from(i64::from(left.min(QUANTITY_MAX))).ok()?;
        left -= quantity.get();
        let (sku, unit_price_minor) = (stock.sku.clone(), MoneyMinor::ZERO);
        Some(OrderLine { sku, quantity, unit_price_minor })
    })
}
