//! What the log says confirmation-email's tables hold. What became of a mail afterwards is not in
//! the log: only whether there was anybody to write to.

use std::collections::{BTreeMap, HashMap};

use events_schema::{CustomerId, Event, OrderId, OrderPlaced, Shortage, Timestamp};

use super::row::{Row, Rows, Table, cell, lines, shortages, sql_list, sql_time, time};
use super::sorting::Sorting;
use super::story::{Told, View};

/// Every table with what it should hold.
pub(super) fn tables<'a>(view: View<'a>) -> Vec<(Table, Rows<'a>)> {
    let orders = view.rows_of_orders(|view, _, told| {
        placed(view, told).into_values().map(order).collect::<Vec<_>>()
    });
    let products = view.descriptions(|event| vec![cell(event.name.as_str())]);
    vec![
        (ORDERS, Box::new(orders)),
        (PRODUCTS, Box::new(products)),
        (MAILS, mails(view).rows(view.story, |_, _| {}, |cells: Vec<Option<String>>| cells)),
    ]
}

/// The first order of each customer under its id.
fn placed<'a>(view: View<'a>, told: &'a [Told]) -> BTreeMap<&'a CustomerId, &'a OrderPlaced> {
    let mut placed = BTreeMap::new();
    for told in view.seen(told) {
        if let Event::OrderPlaced(event) = &*told.event {
            placed.entry(&event.customer_id).or_insert(event);
        }
    }
    placed
}

fn order(event: &OrderPlaced) -> Row {
    let contact = event.contact.as_ref();
    let cells = vec![
        cell(event.locale.as_str()),
        contact.and_then(|contact| cell(contact.name.as_str())),
        contact.and_then(|contact| cell(contact.email.as_str())),
        cell(event.currency.as_str()),
        cell(event.total_minor.get()),
        lines(&event.lines),
        time(event.placed_at),
    ];
    Row::new(format_args!("{} {}", event.order_id, event.customer_id), cells)
}

/// A key begins with the event's id, which is a hash.
const SLICE: usize = 3;

fn mails(view: View<'_>) -> Sorting {
    let mut mails = Sorting::by_the_first(SLICE);
    view.each_order(|_, told| {
        let mut reachable = HashMap::new();
        for told in view.seen(told) {
            if let Event::OrderPlaced(event) = &*told.event {
                reachable.entry(&event.customer_id).or_insert(event.contact.is_some());
            } else if let Some(outcome) = outcome(&told.event) {
                let withheld = reachable.get(outcome.customer) != Some(&true);
                let key = format!("{} {}", told.event.event_id(), outcome.customer);
                mails.push(&key, &outcome.cells(withheld, told.event.occurred_at()));
            }
        }
    });
    mails
}

/// What a mail tells, and whom: nobody but the customer who placed the order is written to.
struct Outcome<'a> {
    order_id: OrderId,
    customer: &'a CustomerId,
    kind: &'static str,
    shortages: &'a [Shortage],
}

impl Outcome<'_> {
    fn cells(&self, withheld: bool, at: Timestamp) -> Vec<Option<String>> {
        vec![
            cell(self.order_id),
            cell(self.kind),
            cell(withheld),
            shortages(self.shortages),
            time(at),
        ]
    }
}

fn outcome(event: &Event) -> Option<Outcome<'_>> {
    let outcome = |order_id, customer, kind| Outcome { order_id, customer, kind, shortages: &[] };
    match event {
        Event::OrderConfirmed(event) => {
            Some(outcome(event.order_id, &event.customer_id, "confirmed"))
        }
        Event::OrderRejected(event) => Some(Outcome {
            shortages: &event.shortages,
            ..outcome(event.order_id, &event.customer_id, "rejected")
        }),
        Event::OrderCancelled(event) => {
            Some(outcome(event.order_id, &event.customer_id, "cancelled"))
        }
        Event::OrderPlaced(_)
        | Event::OrderCancelRequested(_)
        | Event::ProductUpserted(_)
        | Event::ProductDelisted(_)
        | Event::StockReceived(_) => None,
    }
}

const ORDERS: Table = Table {
    name: "orders",
    columns: &["locale", "name", "email", "currency", "total_minor", "lines", "placed_at"],
    sql: concat!(
        "SELECT order_id || ' ' || customer_id, 0, ARRAY[locale, name, email, currency, total_minor::text, ",
        sql_list!("lines", "sku", "quantity", "unit_price_minor"),
        ", ",
        sql_time!("placed_at"),
        r#"] FROM "confirmation-email".orders ORDER BY order_id, customer_id COLLATE "C""#
    ),
};

const PRODUCTS: Table = Table {
    name: "products",
    columns: &["name"],
    sql: r#"SELECT sku, 0, ARRAY[name] FROM "confirmation-email".products
            ORDER BY sku COLLATE "C""#,
};

const MAILS: Table = Table {
    name: "mails",
    columns: &["order_id", "kind", "withheld", "details", "occurred_at"],
    sql: concat!(
        "SELECT event_id || ' ' || customer_id, 0, ARRAY[order_id::text, kind, ",
        // That it is no news any more depends on when it was read: the log does not say it.
        "(state = 'withheld' AND cause IS DISTINCT FROM 'too-old')::text, ",
        sql_list!("details", "sku", "requested", "available"),
        ", ",
        sql_time!("occurred_at"),
        r#"] FROM "confirmation-email".mails ORDER BY event_id, customer_id COLLATE "C""#
    ),
};
