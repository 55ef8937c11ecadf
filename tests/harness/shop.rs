//! The system as its clients see it: two HTTP APIs. Looks behind neither.

use std::time::Duration;

use events_schema::RecordPosition;
use reqwest::{Method, Response};
use serde_json::{Value, json};

use crate::Service;
use waiting::found_within;

/// How long an order may take from its acknowledgement to its outcome on a busy machine.
const DECIDED: Duration = Duration::from_secs(60);

/// A client of producer-api and query-api.
#[derive(Clone)]
pub struct Shop {
    http: reqwest::Client,
    producer: String,
    query: Option<String>,
}

/// An order to be placed.
#[derive(Debug, Clone)]
pub struct Order {
    pub customer_id: String,
    pub email: String,
    pub locale: &'static str,
    pub lines: Vec<(String, i32)>,
    pub key: Option<String>,
}

/// An acknowledged order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    pub order_id: String,
    pub customer_id: String,
    /// `orders:<partition>@<offset>`.
    pub position: String,
}

impl Placed {
    /// In which partition its customer's orders are.
    pub fn partition(&self) -> i32 {
        self.position.parse::<RecordPosition>().unwrap().partition
    }
}

impl Order {
    /// One customer, one SKU.
    pub fn of(customer_id: &str, sku: &str, quantity: i32) -> Self {
        Self {
            customer_id: customer_id.to_owned(),
            email: format!("{customer_id}@example.com"),
            locale: "en",
            lines: vec![(sku.to_owned(), quantity)],
            key: None,
        }
    }

    /// With this Idempotency-Key.
    #[must_use]
    pub fn key(mut self, key: &str) -> Self {
        self.key = Some(key.to_owned());
        self
    }

    fn body(&self) -> Value {
        let line = |(sku, quantity): &(String, i32)| json!({ "sku": sku, "quantity": quantity });
        json!({
            "customer_id": self.customer_id,
            "contact": { "name": "Ada Abbott", "email": self.email },
            "locale": self.locale,
            "lines": self.lines.iter().map(line).collect::<Vec<_>>(),
        })
    }
}

impl Shop {
    /// Through these instances.
    pub fn at(producer: &Service, query: Option<&Service>) -> Self {
        let http = reqwest::Client::builder().timeout(Duration::from_secs(60)).build().unwrap();
        Self { http, producer: producer.url(), query: query.map(Service::url) }
    }

    /// Puts a product on the shelf: into the catalogue, with stock.
    pub async fn offer(&self, sku: &str, price_minor: i64, stock: i32) {
        let product = json!({
            "name": format!("Article {sku}"), "department": "GROCERY",
            "price_minor": price_minor, "currency": "USD",
        });
        let path = format!("/v1/products/{sku}");
        self.expect_accepted(Method::PUT, &path, product).await;
        if stock > 0 {
            self.receive(sku, stock).await;
        }
    }

    /// Takes a product out of the catalogue.
    pub async fn delist(&self, sku: &str) {
        let url = format!("{}/v1/products/{sku}", self.producer);
        let answer = self.http.delete(url).send().await.unwrap();
        assert_eq!(answer.status(), 202, "{sku}");
    }

    /// The first page of the catalogue.
    pub async fn products(&self) -> Vec<Value> {
        let query = self.query.as_deref().unwrap();
        let answer = self.http.get(format!("{query}/v1/products?limit=200")).send().await.unwrap();
        let mut page: Value = answer.json().await.unwrap();
        serde_json::from_value(page["items"].take()).unwrap_or_default()
    }

    /// Stock comes to the shelf, or is written off.
    pub async fn receive(&self, sku: &str, delta: i32) {
        let path = format!("/v1/products/{sku}/stock");
        self.expect_accepted(Method::POST, &path, json!({ "delta": delta })).await;
    }

    /// Places an order; retries while the API does not know a product that was just put.
    pub async fn place(&self, order: &Order) -> Placed {
        found_within(DECIDED, "the order is acknowledged", async || {
            let answer = self.try_place(order).await.unwrap();
            match answer.status().as_u16() {
                202 => Some(acknowledged(order, answer).await),
                404 | 503 => None,
                status => panic!("{status}: {}", answer.text().await.unwrap()),
            }
        })
        .await
    }

    /// Places an order, once, whatever the answer.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn try_place(&self, order: &Order) -> reqwest::Result<Response> {
        let mut request =
            self.http.post(format!("{}/v1/orders", self.producer)).json(&order.body());
        if let Some(key) = &order.key {
            request = request.header("Idempotency-Key", key);
        }
        request.send().await
    }

    /// Asks to cancel an order; the position of the request.
    pub async fn cancel(&self, order: &Placed) -> String {
        let answer = self.try_cancel(&order.order_id, &order.customer_id).await.unwrap();
        header(&accepted(answer).await, "Order-Position")
    }

    /// Asks to cancel an order, once, whatever the answer.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn try_cancel(&self, order_id: &str, customer_id: &str) -> reqwest::Result<Response> {
        let url = format!("{}/v1/orders/{order_id}/cancel", self.producer);
        self.http.post(url).json(&json!({ "customer_id": customer_id })).send().await
    }

    /// The order as query-api shows it once it has passed this position; waits on the server's side.
    pub async fn read(&self, order_id: &str, position: &str) -> (u16, Value) {
        let url = format!("{}/v1/orders/{order_id}", self.query.as_ref().unwrap());
        let request =
            self.http.get(url).header("Order-Min-Position", position).header("Prefer", "wait=30");
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        let body = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap_or_default();
        (status, body)
    }

    /// The order once it has this status.
    pub async fn becomes(&self, order: &Placed, status: &str) -> Value {
        let what = format!("order {} becomes {status}", order.order_id);
        found_within(DECIDED, &what, async || {
            let (code, shown) = self.read(&order.order_id, &order.position).await;
            (code == 200 && shown["status"] == status).then_some(shown)
        })
        .await
    }

    async fn expect_accepted(&self, method: Method, path: &str, body: Value) -> Response {
        let request = self.http.request(method, format!("{}{path}", self.producer)).json(&body);
        accepted(request.send().await.unwrap()).await
    }
}

async fn accepted(answer: Response) -> Response {
    let status = answer.status();
    if !status.is_success() {
        panic!("{}: {status} {}", answer.url().path().to_owned(), answer.text().await.unwrap());
    }
    answer
}

async fn acknowledged(order: &Order, answer: Response) -> Placed {
    let position = header(&answer, "Order-Position");
    let body: Value = answer.json().await.unwrap();
    let order_id = body["order_id"].as_str().unwrap().to_owned();
    Placed { order_id, customer_id: order.customer_id.clone(), position }
}

fn header(answer: &Response, name: &str) -> String {
    answer.headers()[name].to_str().unwrap().to_owned()
}
