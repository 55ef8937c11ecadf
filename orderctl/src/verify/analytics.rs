//! What the log says analytics' tables hold. Every total is grouped anew from the orders.

use std::collections::BTreeMap;
use std::fmt::Display;

use chrono::DurationRound;
use events_schema::{CustomerId, Event, OrderId, OrderLine, OrderPlaced, Sku, Timestamp};
use serde::{Deserialize, Serialize};

use super::row::{Row, Rows, Table, cell, line_rows, price, sql_time, time};
use super::sorting::Sorting;
use super::story::{Told, View};

/// What is known of an order, from its own customer.
#[derive(Debug, Clone, Default)]
struct Facts<'a> {
    placed: Option<&'a OrderPlaced>,
    cancel_requested: Option<Timestamp>,
    confirmed: Option<Timestamp>,
    rejected: Option<Timestamp>,
    cancelled: Option<Timestamp>,
}

impl<'a> Facts<'a> {
    fn learn(&mut self, event: &'a Event) {
        match event {
            Event::OrderPlaced(event) => {
                self.placed.get_or_insert(event);
            }
            Event::OrderCancelRequested(event) => {
                self.cancel_requested.get_or_insert(event.requested_at);
            }
            Event::OrderConfirmed(event) => {
                self.confirmed.get_or_insert(event.confirmed_at);
            }
            Event::OrderRejected(event) => {
                self.rejected.get_or_insert(event.rejected_at);
            }
            Event::OrderCancelled(event) => {
                self.cancelled.get_or_insert(event.cancelled_at);
            }
            Event::ProductUpserted(_) | Event::ProductDelisted(_) | Event::StockReceived(_) => {}
        }
    }

    fn is_sold(&self) -> bool {
        self.confirmed.is_some() && self.cancelled.is_none()
    }

    fn row(&self, order_id: OrderId, customer: &CustomerId) -> Row {
        let placed = self.placed;
        let units = |event: &OrderPlaced| -> i64 {
            event.lines.iter().map(|line| i64::from(line.quantity.get())).sum()
        };
        let cells = vec![
            placed.and_then(|event| cell(event.currency.as_str())),
            placed.and_then(|event| cell(event.total_minor.get())),
            placed.and_then(|event| cell(units(event))),
            placed.and_then(|event| time(event.placed_at)),
            self.cancel_requested.and_then(time),
            self.confirmed.and_then(time),
            self.rejected.and_then(time),
            self.cancelled.and_then(time),
        ];
        Row::new(format_args!("{order_id} {customer}"), cells)
    }
}

/// Every table with what it should hold.
pub(super) fn tables<'a>(view: View<'a>) -> Vec<(Table, Rows<'a>)> {
    let products =
        view.descriptions(|event| vec![cell(event.name.as_str()), cell(event.department.as_str())]);
    let orders = view.rows_of_orders(|view, id, told| {
        let facts = by_customer(view, told).into_iter();
        facts.map(|(customer, facts)| facts.row(id, customer)).collect::<Vec<_>>()
    });
    let lines = view.rows_of_orders(|view, id, told| {
        let placed = by_customer(view, told).into_values().find_map(|facts| facts.placed);
        line_rows(id, placed.map(|event| event.lines.as_slice()).unwrap_or_default())
    });
    vec![
        (PRODUCTS, Box::new(products)),
        (ORDERS, Box::new(orders)),
        (ORDER_LINES, Box::new(lines)),
        (HOURLY_SALES, sales(view).rows(view.story, Sale::add, |Sale(n)| cells(&n))),
        (
            HOURLY_FUNNEL,
            Box::new(funnel(view).into_iter().map(|(hour, n)| Row::new(hour, cells(&n)))),
        ),
        (CUSTOMERS, Box::new(customers(view).into_iter().map(|(key, c)| c.row(key)))),
    ]
}

fn by_customer<'a>(view: View<'a>, told: &'a [Told]) -> BTreeMap<&'a CustomerId, Facts<'a>> {
    let mut facts: BTreeMap<_, Facts<'a>> = BTreeMap::new();
    for told in view.seen(told) {
        if let Some(customer) = told.event.customer_id() {
            facts.entry(customer).or_default().learn(&told.event);
        }
    }
    facts
}

fn each_placed(view: View<'_>, mut each: impl FnMut(&OrderPlaced, &Facts<'_>)) {
    view.each_order(|_, told| {
        for facts in by_customer(view, told).values() {
            facts.placed.into_iter().for_each(|placed| each(placed, facts));
        }
    });
}

fn hour(at: Timestamp) -> String {
    let at = at.to_utc();
    let hour = at.duration_trunc(chrono::TimeDelta::hours(1)).unwrap_or(at);
    time(hour.into()).unwrap_or_default()
}

fn cells(numbers: &[impl Display]) -> Vec<Option<String>> {
    numbers.iter().map(cell).collect()
}

/// Orders, units, revenue.
#[derive(Default, Serialize, Deserialize)]
struct Sale([i128; 3]);

impl Sale {
    fn add(&mut self, other: Self) {
        self.0.iter_mut().zip(other.0).for_each(|(sum, number)| *sum += number);
    }
}

/// A key begins with its day.
const DAY: usize = "2026-01-31".len();

/// A SKU counts an order once, however many of its lines name it. There may be as many sums as lines:
/// they are put together day by day.
fn sales(view: View<'_>) -> Sorting {
    let mut sorting = Sorting::by_the_first(DAY);
    each_placed(view, |placed, facts| {
        if !facts.is_sold() {
            return;
        }
        let mut sales: BTreeMap<&Sku, Sale> = BTreeMap::new();
        for line in &placed.lines {
            let order = i128::from(!sales.contains_key(&line.sku));
            let sale = Sale([order, line.quantity.get().into(), amount(line)]);
            sales.entry(&line.sku).or_default().add(sale);
        }
        let (hour, currency) = (hour(placed.placed_at), placed.currency.as_str());
        for (sku, sale) in sales {
            sorting.push(&format!("{hour} {sku} {currency}"), &sale);
        }
    });
    sorting
}

/// A sum of the largest orders is more than a bigint holds.
fn amount(line: &OrderLine) -> i128 {
    i128::from(line.quantity.get()) * i128::from(price(line))
}

fn funnel(view: View<'_>) -> BTreeMap<String, [i64; 5]> {
    let mut funnel: BTreeMap<String, [i64; 5]> = BTreeMap::new();
    each_placed(view, |placed, facts| {
        let stages = funnel.entry(hour(placed.placed_at)).or_default();
        let reached = [facts.confirmed, facts.rejected, facts.cancel_requested, facts.cancelled];
        let reached = [true].into_iter().chain(reached.map(|at| at.is_some()));
        for (count, reached) in stages.iter_mut().zip(reached) {
            *count += i64::from(reached);
        }
    });
    funnel
}

#[derive(Default)]
struct Customer {
    counts: [i64; 4],
    revenue: i128,
    first: Option<Timestamp>,
    last: Option<Timestamp>,
}

impl Customer {
    fn row(self, key: String) -> Row {
        let mut cells: Vec<_> = self.counts.iter().map(cell).collect();
        cells.extend([cell(self.revenue), self.first.and_then(time), self.last.and_then(time)]);
        Row::new(key, cells)
    }
}

fn customers(view: View<'_>) -> BTreeMap<String, Customer> {
    let mut customers: BTreeMap<String, Customer> = BTreeMap::new();
    each_placed(view, |placed, facts| {
        let key = format!("{} {}", placed.customer_id, placed.currency.as_str());
        let customer = customers.entry(key).or_default();
        let reached = [facts.confirmed, facts.rejected, facts.cancelled].map(|at| at.is_some());
        for (count, reached) in customer.counts.iter_mut().zip([true].into_iter().chain(reached)) {
            *count += i64::from(reached);
        }
        let total = i128::from(placed.total_minor.get());
        customer.revenue += if facts.is_sold() { total } else { 0 };
        customer.first = customer.first.into_iter().chain([placed.placed_at]).min();
        customer.last = customer.last.into_iter().chain([placed.placed_at]).max();
    });
    customers
}

const PRODUCTS: Table = Table {
    name: "products",
    columns: &["name", "department"],
    sql: r#"SELECT sku, 0, ARRAY[name, department] FROM analytics.products
            ORDER BY sku COLLATE "C""#,
};

const ORDERS: Table = Table {
    name: "orders",
    columns: &[
        "currency",
        "total_minor",
        "units",
        "placed_at",
        "cancel_requested_at",
        "confirmed_at",
        "rejected_at",
        "cancelled_at",
    ],
    sql: concat!(
        "SELECT order_id || ' ' || customer_id, 0, ARRAY[currency, total_minor::text, units::text, ",
        sql_time!("placed_at"),
        ", ",
        sql_time!("cancel_requested_at"),
        ", ",
        sql_time!("confirmed_at"),
        ", ",
        sql_time!("rejected_at"),
        ", ",
        sql_time!("cancelled_at"),
        r#"] FROM analytics.orders ORDER BY order_id, customer_id COLLATE "C""#
    ),
};

const ORDER_LINES: Table = Table {
    name: "order_lines",
    columns: &["sku", "quantity", "unit_price_minor"],
    sql: "SELECT order_id::text, line, ARRAY[sku, quantity::text, unit_price_minor::text]
          FROM analytics.order_lines ORDER BY order_id, line",
};

const HOURLY_SALES: Table = Table {
    name: "hourly_sales",
    columns: &["orders", "units", "revenue_minor"],
    sql: concat!(
        "SELECT concat_ws(' ', ",
        sql_time!("hour"),
        ", sku, currency) AS key, 0,
            ARRAY[orders::text, units::text, revenue_minor::text]
         FROM analytics.hourly_sales ORDER BY concat_ws(' ', ",
        sql_time!("hour"),
        r#", sku, currency) COLLATE "C""#
    ),
};

const HOURLY_FUNNEL: Table = Table {
    name: "hourly_funnel",
    columns: &["placed", "confirmed", "rejected", "cancel_requested", "cancelled"],
    sql: concat!(
        "SELECT ",
        sql_time!("hour"),
        ", 0, ARRAY[placed::text, confirmed::text, rejected::text,
            cancel_requested::text, cancelled::text]
         FROM analytics.hourly_funnel ORDER BY hour"
    ),
};

const CUSTOMERS: Table = Table {
    name: "customers",
    columns: &[
        "orders",
        "confirmed",
        "rejected",
        "cancelled",
        "revenue_minor",
        "first_order_at",
        "last_order_at",
    ],
    sql: concat!(
        "SELECT concat_ws(' ', customer_id, currency), 0, ARRAY[orders::text, confirmed::text,
            rejected::text, cancelled::text, revenue_minor::text, ",
        sql_time!("first_order_at"),
        ", ",
        sql_time!("last_order_at"),
        r#"] FROM analytics.customers
         ORDER BY concat_ws(' ', customer_id, currency) COLLATE "C""#
    ),
};
