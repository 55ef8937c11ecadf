//! The events that inventory publishes. Knows no stock: it says what was decided.

use events_schema::{
    Event, EventId, EventType, OrderCancelled, OrderConfirmed, OrderRejected, StockLine,
};

use crate::order::{Order, Status};

/// That the order was confirmed with this stock, or rejected for its shortages.
pub(super) fn outcome(order: &Order, reserved: Vec<StockLine>) -> Event {
    let order_id = order.order_id;
    let customer_id = order.customer_id.clone();
    let at = order.decided_at.unwrap_or_default();
    if order.status == Status::Confirmed {
        let event_id = EventId::of_order(order_id, EventType::OrderConfirmed);
        OrderConfirmed { event_id, order_id, customer_id, confirmed_at: at, reserved }.into()
    } else {
        let event_id = EventId::of_order(order_id, EventType::OrderRejected);
        let shortages = order.shortages.clone();
        OrderRejected { event_id, order_id, customer_id, rejected_at: at, shortages }.into()
    }
}

/// That the order was cancelled and this stock is back.
pub(super) fn cancelled(order: &Order, released: Vec<StockLine>) -> Event {
    OrderCancelled {
        event_id: EventId::of_order(order.order_id, EventType::OrderCancelled),
        order_id: order.order_id,
        customer_id: order.customer_id.clone(),
        cancelled_at: order.cancelled_at.unwrap_or_default(),
        released,
    }
    .into()
}
