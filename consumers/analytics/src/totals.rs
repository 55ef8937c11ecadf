//! What an order adds to the totals: a function of its row and nothing else. Writes nothing.

use std::collections::{BTreeMap, BTreeSet};

use events_schema::{Currency, CustomerId, Sku, Timestamp};

use crate::decide::{Order, OrderKey, Placed};

const HOUR_MICROS: i64 = 3_600_000_000;

/// What a batch changes in the totals. Sorted, so that workers lock rows in the same order.
/// Amounts are wider than the columns: a sum that does not fit must be refused, not wrapped.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// By hour, SKU and currency.
    pub sales: BTreeMap<(Timestamp, Sku, Currency), Sales>,
    /// By hour.
    pub funnel: BTreeMap<Timestamp, Funnel>,
    /// By customer and currency.
    pub customers: BTreeMap<(CustomerId, Currency), CustomerTotals>,
}

/// What of one SKU was sold.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Sales {
    /// Orders with at least one line of it.
    pub orders: i64,
    /// Units over those lines.
    pub units: i64,
    /// Their price.
    pub revenue_minor: i128,
}

/// How many orders came how far.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Funnel {
    /// Placed.
    pub placed: i64,
    /// Confirmed, also where cancelled since.
    pub confirmed: i64,
    /// Rejected.
    pub rejected: i64,
    /// Whose cancellation was asked for.
    pub cancel_requested: i64,
    /// Cancelled.
    pub cancelled: i64,
}

/// What a customer did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CustomerTotals {
    /// Orders placed.
    pub orders: i64,
    /// Confirmed, also where cancelled since.
    pub confirmed: i64,
    /// Rejected.
    pub rejected: i64,
    /// Cancelled.
    pub cancelled: i64,
    /// Of the orders that are confirmed and not cancelled.
    pub revenue_minor: i128,
    /// Of the orders that this batch touched, the first.
    pub first_order_at: Timestamp,
    /// And the last.
    pub last_order_at: Timestamp,
}

/// Whether an order's share is put in or taken out.
#[derive(Debug, Clone, Copy)]
enum Sign {
    Add,
    Subtract,
}

impl Sign {
    fn of(self, counts: bool) -> i64 {
        match (self, counts) {
            (_, false) => 0,
            (Self::Add, true) => 1,
            (Self::Subtract, true) => -1,
        }
    }
}

impl Totals {
    /// Puts in the order's share.
    pub fn add(&mut self, key: &OrderKey, order: &Order) {
        self.share(key, order, Sign::Add);
    }

    /// Takes out the order's share, as it was before it changed.
    pub fn subtract(&mut self, key: &OrderKey, order: &Order) {
        self.share(key, order, Sign::Subtract);
    }

    /// Drops what changes nothing.
    pub fn without_zeros(mut self) -> Self {
        self.sales.retain(|_, sales| *sales != Sales::default());
        self.funnel.retain(|_, funnel| *funnel != Funnel::default());
        self.customers.retain(|_, customer| !customer.is_zero());
        self
    }

    /// An order that was never placed has no hour to count in, and no share.
    fn share(&mut self, key: &OrderKey, order: &Order, sign: Sign) {
        let Some(placed) = &order.placed else { return };
        self.share_of_funnel(placed, order, sign);
        self.share_of_customer(&key.customer_id, placed, order, sign);
        if order.is_sold() {
            self.share_of_sales(placed, sign);
        }
    }

    fn share_of_funnel(&mut self, placed: &Placed, order: &Order, sign: Sign) {
        let funnel = self.funnel.entry(hour_of(placed.at)).or_default();
        funnel.placed += sign.of(true);
        funnel.confirmed += sign.of(order.confirmed_at.is_some());
        funnel.rejected += sign.of(order.rejected_at.is_some());
        funnel.cancel_requested += sign.of(order.cancel_requested_at.is_some());
        funnel.cancelled += sign.of(order.cancelled_at.is_some());
    }

    fn share_of_customer(
        &mut self,
        customer_id: &CustomerId,
        placed: &Placed,
        order: &Order,
        sign: Sign,
    ) {
        let key = (customer_id.clone(), placed.currency);
        let fresh = || CustomerTotals::none(placed.at);
        let customer = self.customers.entry(key).or_insert_with(fresh);
        let sold = i128::from(sign.of(order.is_sold()));
        customer.orders += sign.of(true);
        customer.confirmed += sign.of(order.confirmed_at.is_some());
        customer.rejected += sign.of(order.rejected_at.is_some());
        customer.cancelled += sign.of(order.cancelled_at.is_some());
        customer.revenue_minor += sold * i128::from(placed.total_minor);
        customer.first_order_at = customer.first_order_at.min(placed.at);
        customer.last_order_at = customer.last_order_at.max(placed.at);
    }

    fn share_of_sales(&mut self, placed: &Placed, sign: Sign) {
        let one = sign.of(true);
        let mut seen = BTreeSet::new();
        for line in &placed.lines {
            let key = (hour_of(placed.at), line.sku.clone(), placed.currency);
            let sales = self.sales.entry(key).or_default();
            sales.orders += if seen.insert(&line.sku) { one } else { 0 };
            sales.units += one * i64::from(line.quantity);
            sales.revenue_minor += i128::from(one) * line.price();
        }
    }
}

impl CustomerTotals {
    fn none(at: Timestamp) -> Self {
        Self {
            orders: 0,
            confirmed: 0,
            rejected: 0,
            cancelled: 0,
            revenue_minor: 0,
            first_order_at: at,
            last_order_at: at,
        }
    }

    fn is_zero(&self) -> bool {
        let counts = [self.orders, self.confirmed, self.rejected, self.cancelled];
        counts == [0; 4] && self.revenue_minor == 0
    }
}

/// The hour (UTC) that a time lies in.
fn hour_of(at: Timestamp) -> Timestamp {
    let micros = at.micros();
    Timestamp::from_micros(micros.saturating_sub(micros.rem_euclid(HOUR_MICROS)))
}
