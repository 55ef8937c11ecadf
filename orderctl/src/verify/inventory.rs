//! What the log says inventory's tables hold. Folds facts: what was confirmed, rejected and
//! cancelled is read, never decided again.

use std::collections::BTreeMap;

use events_schema::{
    CustomerId, Event, OrderCancelRequested, OrderCancelled, OrderConfirmed, OrderId, OrderPlaced,
    OrderRejected, RecordPosition, Sku, StockLine,
};

use super::compare::Difference;
use super::row::{Row, Rows, Table, cell, line_rows, shortages, sql_list, sql_time, time};
use super::story::{Told, View};

/// What became of an order, as far as inventory must know it.
#[derive(Debug, Default)]
struct Fate<'a> {
    placed: Vec<(&'a OrderPlaced, RecordPosition)>,
    cancel_requested: Vec<(&'a OrderCancelRequested, RecordPosition)>,
    confirmed: Option<&'a OrderConfirmed>,
    rejected: Option<&'a OrderRejected>,
    /// One for each customer: whoever cancels an order id that nobody has placed is answered.
    cancellations: Vec<&'a OrderCancelled>,
}

impl<'a> Fate<'a> {
    /// A fact counts where inventory has seen it, and also where it has only seen what caused it:
    /// then it has decided, and the fact is further on in the log, or still in its outbox.
    fn of(view: View<'a>, order_id: OrderId, told: &'a [Told]) -> Self {
        let mut fate = Self::default();
        for told in view.seen(told) {
            match &*told.event {
                Event::OrderPlaced(event) => fate.placed.push((event, told.place)),
                Event::OrderCancelRequested(event) => {
                    fate.cancel_requested.push((event, told.place));
                }
                _ => {}
            }
        }
        for told in told {
            fate.learn(&told.event, view.has_seen(told.place));
        }
        for event in view.stand.outbox.get(&order_id).into_iter().flatten() {
            fate.learn(event, true);
        }
        fate
    }

    fn learn(&mut self, event: &'a Event, is_known: bool) {
        match event {
            Event::OrderConfirmed(event) if is_known || self.saw_placed(&event.customer_id) => {
                self.confirmed.get_or_insert(event);
            }
            Event::OrderRejected(event) if is_known || self.saw_placed(&event.customer_id) => {
                self.rejected.get_or_insert(event);
            }
            Event::OrderCancelled(event)
                if (is_known || self.saw_request(&event.customer_id))
                    && self.cancelled_by(&event.customer_id).is_none() =>
            {
                self.cancellations.push(event);
            }
            _ => {}
        }
    }

    fn saw_placed(&self, customer: &CustomerId) -> bool {
        self.placed.iter().any(|(event, _)| event.customer_id == *customer)
    }

    fn saw_request(&self, customer: &CustomerId) -> bool {
        self.first_request(customer).is_some()
    }

    /// Where this customer first asked for a cancellation.
    fn first_request(&self, customer: &CustomerId) -> Option<RecordPosition> {
        let mut requests = self.cancel_requested.iter();
        requests.find(|(event, _)| event.customer_id == *customer).map(|(_, place)| *place)
    }

    /// Where this customer had placed it before that.
    fn placed_before(
        &self,
        customer: &CustomerId,
        at: RecordPosition,
    ) -> impl Iterator<Item = RecordPosition> {
        let by = self.placed.iter().filter(move |(event, _)| event.customer_id == *customer);
        by.map(|(_, place)| *place).filter(move |place| *place < at)
    }

    fn cancelled_by(&self, customer: &CustomerId) -> Option<&'a OrderCancelled> {
        self.cancellations.iter().find(|event| event.customer_id == *customer).copied()
    }

    /// Whose order it turned out to be.
    fn decided_for(&self) -> Option<&'a CustomerId> {
        let outcome = self.confirmed.map(|event| &event.customer_id);
        outcome.or(self.rejected.map(|event| &event.customer_id))
    }

    /// Whose row it is: where nothing was decided, of whoever cancelled it first.
    fn customer(&self) -> Option<&'a CustomerId> {
        let first = self.cancellations.iter().min_by_key(|e| (e.cancelled_at, &e.customer_id));
        self.decided_for().or(first.map(|event| &event.customer_id))
    }

    /// Its cancellation: what another customer asked of its id is nothing to it.
    fn cancelled(&self) -> Option<&'a OrderCancelled> {
        self.cancelled_by(self.customer()?)
    }

    /// What was decided on: the first order under this id of this customer. An order that was
    /// cancelled before it was placed has an outcome, but was never decided on.
    fn decided_on(&self) -> Option<(&'a OrderPlaced, RecordPosition)> {
        let customer = self.decided_for()?;
        self.placed.iter().find(|(event, _)| event.customer_id == *customer).copied()
    }

    fn row(&self, order_id: OrderId) -> Option<Row> {
        let customer = self.customer()?;
        let placed = self.decided_on();
        let source = placed.map(|(_, place)| place).or(self.first_request(customer));
        let decided = self.confirmed.map(|event| event.confirmed_at);
        let decided = decided.or(self.rejected.map(|event| event.rejected_at));
        let status = match (self.cancelled(), self.confirmed) {
            (Some(_), _) => "cancelled",
            (None, Some(_)) => "confirmed",
            (None, None) => "rejected",
        };
        let short = self.rejected.map_or(&[][..], |event| &event.shortages);
        let cells = vec![
            cell(customer),
            cell(status),
            placed.and_then(|(event, _)| cell(event.currency.as_str())),
            placed.and_then(|(event, _)| cell(event.total_minor.get())),
            placed.and_then(|(event, _)| cell(event.fingerprint)),
            placed.and_then(|(event, _)| time(event.placed_at)),
            decided.and_then(time),
            self.cancelled().and_then(|event| time(event.cancelled_at)),
            shortages(short),
            source.and_then(|place| cell(place.partition)),
            source.and_then(|place| cell(place.offset)),
        ];
        Some(Row::new(order_id, cells))
    }

    /// What inventory has seen and should have answered, but neither the log nor its outbox holds
    /// an answer.
    fn unanswered(&self) -> Option<&'static str> {
        let is_open =
            |customer| self.decided_for().is_none() && self.cancelled_by(customer).is_none();
        if self.confirmed.is_some() && self.rejected.is_some() {
            Some("it was confirmed and rejected")
        } else if self.placed.iter().any(|(event, _)| is_open(&event.customer_id)) {
            Some("it was placed and has no outcome")
        } else if self.cancel_requested.iter().any(|(event, at)| self.owes(&event.customer_id, *at))
        {
            Some("its cancellation was asked for and has no outcome")
        } else if self.was_passed_over() {
            Some("it was placed before its cancellation was asked for, and never decided")
        } else {
            None
        }
    }

    /// Whether an order that was cancelled from the start had been placed when that was asked for.
    fn was_passed_over(&self) -> bool {
        let (None, Some(customer)) = (self.decided_for(), self.customer()) else { return false };
        let Some(asked) = self.first_request(customer) else { return false };
        self.placed_before(customer, asked).any(|placed| placed.partition == asked.partition)
    }

    /// Whether a cancellation that this customer asked for there should have been answered.
    fn owes(&self, customer: &CustomerId, at: RecordPosition) -> bool {
        if self.cancelled_by(customer).is_some() {
            return false;
        }
        let Some(owner) = self.decided_for() else { return self.cancellations.is_empty() };
        // Before it was placed, the cancellation of whoever came first is the only one that is kept.
        let counts =
            self.cancellations.is_empty() || self.placed_before(customer, at).next().is_some();
        owner == customer && self.confirmed.is_some() && counts
    }
}

/// Every table with what it should hold.
pub(super) fn tables<'a>(view: View<'a>) -> Vec<(Table, Rows<'a>)> {
    vec![
        (STOCK, Box::new(stock(view).into_iter().map(|(sku, n)| Row::new(sku, vec![cell(n)])))),
        (RECEIPTS, Box::new(receipts(view).into_values())),
        (PRODUCTS, Box::new(view.products(product))),
        (ORDERS, Box::new(view.rows_of_orders(|view, id, told| Fate::of(view, id, told).row(id)))),
        (
            ORDER_LINES,
            Box::new(view.rows_of_orders(|view, id, told| {
                let fate = Fate::of(view, id, told);
                let lines = fate.decided_on().map(|(event, _)| event.lines.as_slice());
                line_rows(id, lines.unwrap_or_default())
            })),
        ),
    ]
}

/// What must hold whatever Postgres says.
pub(super) fn broken_invariants(view: View<'_>) -> Vec<Difference> {
    let below = stock(view).into_iter().filter(|(_, available)| *available < 0);
    let below = below.map(|(sku, available)| {
        Difference::invariant("stock", &sku, format!("the log leaves {available} on the shelf"))
    });
    let mut open = Vec::new();
    view.each_order(|id, told| {
        let why = Fate::of(view, id, told).unanswered();
        open.extend(why.map(|why| Difference::invariant("orders", &id, why.to_owned())));
    });
    below.chain(open).collect()
}

/// Came to the shelf, less what is reserved, plus what came back.
fn stock(view: View<'_>) -> BTreeMap<Sku, i64> {
    let mut shelf = BTreeMap::new();
    let mut shift = |sku: &Sku, delta: i64| *shelf.entry(sku.clone()).or_default() += delta;
    for (_, event) in view.stock() {
        // What was refused of a SKU that never had stock made no shelf.
        if !view.stand.refused.contains(&event.event_id) {
            shift(&event.sku, i64::from(event.delta.get()));
        }
    }
    let units = |line: &StockLine| i64::from(line.quantity);
    view.each_order(|id, told| {
        let fate = Fate::of(view, id, told);
        for line in fate.confirmed.map_or(&[][..], |event| &event.reserved) {
            shift(&line.sku, -units(line));
        }
        for line in fate.cancelled().map_or(&[][..], |event| &event.released) {
            shift(&line.sku, units(line));
        }
    });
    shelf
}

/// Units of each SKU that were ever confirmed, whatever came back.
pub(super) fn reserved(view: View<'_>) -> BTreeMap<Sku, i64> {
    let mut reserved = BTreeMap::new();
    view.each_order(|id, told| {
        for line in Fate::of(view, id, told).confirmed.map_or(&[][..], |e| &e.reserved) {
            *reserved.entry(line.sku.clone()).or_default() += i64::from(line.quantity);
        }
    });
    reserved
}

fn receipts(view: View<'_>) -> BTreeMap<String, Row> {
    let row = |(_, event): (_, &events_schema::StockReceived)| {
        let cells = vec![cell(&event.sku), cell(view.added(event)), time(event.received_at)];
        Row::new(event.event_id, cells)
    };
    view.stock().map(row).map(|row| (row.key.clone(), row)).collect()
}

fn product(event: &events_schema::ProductUpserted) -> Vec<Option<String>> {
    vec![
        cell(event.name.as_str()),
        cell(event.department.as_str()),
        cell(event.price_minor.get()),
        cell(event.currency.as_str()),
        time(event.updated_at),
    ]
}

const STOCK: Table = Table {
    name: "stock",
    columns: &["available"],
    sql: r#"SELECT sku, 0, ARRAY[available::text] FROM inventory.stock ORDER BY sku COLLATE "C""#,
};

const RECEIPTS: Table = Table {
    name: "stock_receipts",
    columns: &["sku", "delta", "received_at"],
    sql: concat!(
        "SELECT event_id::text, 0, ARRAY[sku, delta::text, ",
        sql_time!("received_at"),
        "]
         FROM inventory.stock_receipts ORDER BY event_id"
    ),
};

const PRODUCTS: Table = Table {
    name: "products",
    columns: &["name", "department", "price_minor", "currency", "updated_at"],
    sql: concat!(
        "SELECT sku, 0, ARRAY[name, department, price_minor::text, currency, ",
        sql_time!("updated_at"),
        r#"] FROM inventory.products ORDER BY sku COLLATE "C""#
    ),
};

const ORDERS: Table = Table {
    name: "orders",
    columns: &[
        "customer_id",
        "status",
        "currency",
        "total_minor",
        "fingerprint",
        "placed_at",
        "decided_at",
        "cancelled_at",
        "shortages",
        "source_partition",
        "source_offset",
    ],
    sql: concat!(
        "SELECT order_id::text, 0, ARRAY[customer_id, status, currency, total_minor::text,
            fingerprint::text, ",
        sql_time!("placed_at"),
        ", ",
        sql_time!("decided_at"),
        ", ",
        sql_time!("cancelled_at"),
        ", ",
        sql_list!("shortages", "sku", "requested", "available"),
        ", source_partition::text, source_offset::text]
         FROM inventory.orders ORDER BY order_id"
    ),
};

const ORDER_LINES: Table = Table {
    name: "order_lines",
    columns: &["sku", "quantity", "unit_price_minor"],
    sql: "SELECT order_id::text, line, ARRAY[sku, quantity::text, unit_price_minor::text]
          FROM inventory.order_lines ORDER BY order_id, line",
};
