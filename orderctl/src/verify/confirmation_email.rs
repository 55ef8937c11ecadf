//! What the log says confirmation-email's tables hold. What became of a mail afterwards is not in
//! the log: only whether there was anybody to write to.

use std::collections::BTreeMap;

use events_schema::{Event, EventId, OrderId, OrderPlaced, Shortage};

use super::row::{Row, Rows, Table, cell, lines, shortages, sql_list, sql_time, time};
use super::story::{Told, View};

/// Every table with what it should hold.
pub(super) fn tables<'a>(view: View<'a>) -> Vec<(Table, Rows<'a>)> {
    let orders = view.story.orders.values();
    vec![
        (ORDERS, Box::new(orders.filter_map(move |told| placed(view, told).map(order)))),
        (
            PRODUCTS,
            Box::new(
                view.products().map(|event| Row::new(&event.sku, vec![cell(event.name.as_str())])),
            ),
        ),
        (MAILS, Box::new(mails(view).into_values())),
    ]
}

/// The first order under its id.
fn placed<'a>(view: View<'a>, told: &'a [Told]) -> Option<&'a OrderPlaced> {
    view.seen(told).find_map(|told| match &*told.event {
        Event::OrderPlaced(event) => Some(event),
        _ => None,
    })
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
    Row::new(event.order_id, cells)
}

fn mails(view: View<'_>) -> BTreeMap<EventId, Row> {
    let mut mails = BTreeMap::new();
    for told in view.story.orders.values() {
        let mut reachable = None;
        for told in view.seen(told) {
            match &*told.event {
                Event::OrderPlaced(event) => {
                    reachable.get_or_insert(event.contact.is_some());
                }
                event => {
                    if let Some((order_id, kind, short)) = outcome(event) {
                        let withheld = reachable != Some(true);
                        let cells = vec![
                            cell(order_id),
                            cell(kind),
                            cell(withheld),
                            shortages(short),
                            time(event.occurred_at()),
                        ];
                        let row = Row::new(event.event_id(), cells);
                        mails.entry(event.event_id()).or_insert(row);
                    }
                }
            }
        }
    }
    mails
}

fn outcome(event: &Event) -> Option<(OrderId, &'static str, &[Shortage])> {
    match event {
        Event::OrderConfirmed(event) => Some((event.order_id, "confirmed", &[])),
        Event::OrderRejected(event) => Some((event.order_id, "rejected", &event.shortages)),
        Event::OrderCancelled(event) => Some((event.order_id, "cancelled", &[])),
        Event::OrderPlaced(_)
        | Event::OrderCancelRequested(_)
        | Event::ProductUpserted(_)
        | Event::StockReceived(_) => None,
    }
}

const ORDERS: Table = Table {
    name: "orders",
    columns: &["locale", "name", "email", "currency", "total_minor", "lines", "placed_at"],
    sql: concat!(
        "SELECT order_id::text, 0, ARRAY[locale, name, email, currency, total_minor::text, ",
        sql_list!("lines", "sku", "quantity", "unit_price_minor"),
        ", ",
        sql_time!("placed_at"),
        r#"] FROM "confirmation-email".orders ORDER BY order_id"#
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
        "SELECT event_id::text, 0, ARRAY[order_id::text, kind, (state = 'withheld')::text, ",
        sql_list!("details", "sku", "requested", "available"),
        ", ",
        sql_time!("occurred_at"),
        r#"] FROM "confirmation-email".mails ORDER BY event_id"#
    ),
};
