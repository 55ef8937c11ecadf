//! What is posted, serialised before its time comes. Sends nothing.

use reqwest::Method;
use serde::{Deserialize, Serialize};

use super::contact::contact;

/// One line of `orders.jsonl`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Basket {
    pub(crate) basket: String,
    pub(crate) customer_id: String,
    pub(crate) lines: Vec<Line>,
}

/// One line of a basket, or of a stock file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Line {
    pub(crate) sku: String,
    pub(crate) quantity: i32,
}

/// One line of `products.jsonl`.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Product {
    pub(crate) sku: String,
    pub(crate) name: String,
    pub(crate) department: String,
    pub(crate) price_minor: i64,
    pub(crate) currency: String,
}

/// A request that can be sent any number of times.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) key: Option<String>,
    pub(crate) body: String,
}

/// A request and what is to be done about its answer.
#[derive(Debug, Clone)]
pub(crate) struct Job {
    pub(crate) request: Request,
    pub(crate) order: Option<OrderJob>,
}

/// What is known of an order before it is posted.
#[derive(Debug, Clone)]
pub(crate) struct OrderJob {
    pub(crate) basket: String,
    pub(crate) customer_id: String,
    /// It has no line, so the API must refuse it.
    pub(crate) empty: bool,
    /// It is cancelled as soon as it is acknowledged.
    pub(crate) cancel: bool,
}

#[derive(Serialize)]
struct ProductBody<'a> {
    name: &'a str,
    department: &'a str,
    price_minor: i64,
    currency: &'a str,
}

#[derive(Serialize)]
struct StockBody {
    delta: i32,
}

#[derive(Serialize)]
struct OrderBody<'a> {
    customer_id: &'a str,
    contact: ContactBody<'a>,
    locale: &'a str,
    lines: &'a [Line],
}

#[derive(Serialize)]
struct ContactBody<'a> {
    name: &'a str,
    email: &'a str,
}

#[derive(Serialize)]
struct CancelBody<'a> {
    customer_id: &'a str,
    reason: &'a str,
}

/// Puts a product into the catalogue. A repetition says the same again, so it needs no key.
pub(crate) fn product(product: &Product) -> serde_json::Result<Job> {
    let body = ProductBody {
        name: &product.name,
        department: &product.department,
        price_minor: product.price_minor,
        currency: &product.currency,
    };
    let request = Request {
        method: Method::PUT,
        path: format!("/v1/products/{}", product.sku),
        key: None,
        body: serde_json::to_string(&body)?,
    };
    Ok(Job { request, order: None })
}

/// Puts units on the shelf, once per key.
pub(crate) fn stock(line: &Line, key: &str) -> serde_json::Result<Job> {
    let request = Request {
        method: Method::POST,
        path: format!("/v1/products/{}/stock", line.sku),
        key: Some(key.to_owned()),
        body: serde_json::to_string(&StockBody { delta: line.quantity })?,
    };
    Ok(Job { request, order: None })
}

/// Places an order, once per basket.
pub(crate) fn order(basket: Basket, cancel: bool) -> serde_json::Result<Job> {
    let contact = contact(&basket.customer_id);
    let body = OrderBody {
        customer_id: &basket.customer_id,
        contact: ContactBody { name: &contact.name, email: &contact.email },
        locale: contact.locale,
        lines: &basket.lines,
    };
    let request = Request {
        method: Method::POST,
        path: "/v1/orders".to_owned(),
        key: Some(basket.basket.clone()),
        body: serde_json::to_string(&body)?,
    };
    let order = OrderJob {
        empty: basket.lines.is_empty(),
        basket: basket.basket,
        customer_id: basket.customer_id,
        cancel,
    };
    Ok(Job { request, order: Some(order) })
}

/// Asks to cancel an order; asking twice is the same as once.
pub(crate) fn cancel(order_id: &str, customer_id: &str) -> serde_json::Result<Request> {
    let body = CancelBody { customer_id, reason: "changed my mind" };
    Ok(Request {
        method: Method::POST,
        path: format!("/v1/orders/{order_id}/cancel"),
        key: None,
        body: serde_json::to_string(&body)?,
    })
}
