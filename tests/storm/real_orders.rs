//! The first orders of the real year, with the stock that the demo gives them. Made by
//! `scripts/real-data`, which `scripts/test` runs.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use harness::{Order, Shop, found_within};
use reqwest::Response;
use serde_json::{Value, json};

/// How long an order may take to be acknowledged, over kills and restarts.
const ACKNOWLEDGED: Duration = Duration::from_secs(60);

pub(crate) struct RealOrders {
    orders: Vec<Order>,
    prices: HashMap<String, i64>,
    stock: HashMap<String, i32>,
}

impl RealOrders {
    /// The first `count` lines that are orders: a basket without a line is none. The customers'
    /// addresses are of this domain.
    pub(crate) fn read(count: usize, domain: &str) -> Self {
        let orders: Vec<Order> = rows("orders.jsonl")
            .filter(|row| !row["lines"].as_array().unwrap().is_empty())
            .take(count)
            .map(|row| order(&row, domain))
            .collect();
        assert_eq!(orders.len(), count, "the real year has no {count} orders");
        let price = |row: Value| (text(&row["sku"]), row["price_minor"].as_i64().unwrap());
        let mut asked = HashMap::<String, i32>::new();
        for (sku, quantity) in orders.iter().flat_map(|order| order.lines.iter().cloned()) {
            *asked.entry(sku).or_default() += quantity;
        }
        // A little less than asked for, so that some orders are rejected (docs/decisions/0001).
        let enough = |units: i32| ((units * 98 + 50) / 100).max(1);
        let stock = asked.into_iter().map(|(sku, units)| (sku, enough(units))).collect();
        Self { orders, prices: rows("products.jsonl").map(price).collect(), stock }
    }

    /// In order of time.
    pub(crate) fn orders(&self) -> impl Iterator<Item = &Order> {
        self.orders.iter()
    }

    /// SKU, price and stock of everything that is ordered.
    pub(crate) fn offers(&self) -> impl Iterator<Item = (String, i64, i32)> {
        self.stock.iter().map(|(sku, stock)| (sku.clone(), self.prices[sku], *stock))
    }
}

/// Asks one instance, then the other, under the same key; the order's line of the ledger.
pub(crate) async fn place_until_acknowledged(shops: &[Shop; 2], n: usize, order: &Order) -> Value {
    let ask = async |shop: &Shop| shop.try_place(order).await;
    let (position, body) = until_acknowledged(shops, n, ask).await;
    json!({
        "order_id": body["order_id"], "customer_id": order.customer_id, "basket": order.key,
        "position": position, "acknowledged_at_micros": 0,
    })
}

/// In the same way, and adds the position to the order's line.
pub(crate) async fn cancel_until_acknowledged(shops: &[Shop; 2], n: usize, line: &mut Value) {
    let (order_id, customer_id) = (text(&line["order_id"]), text(&line["customer_id"]));
    let ask = async |shop: &Shop| shop.try_cancel(&order_id, &customer_id).await;
    let (position, _) = until_acknowledged(shops, n, ask).await;
    line["cancel_position"] = json!(position);
}

async fn until_acknowledged(
    shops: &[Shop; 2],
    n: usize,
    ask: impl AsyncFn(&Shop) -> reqwest::Result<Response>,
) -> (String, Value) {
    let mut attempt = n;
    found_within(ACKNOWLEDGED, "a request is acknowledged", async || {
        attempt += 1;
        let answer = ask(&shops[attempt % 2]).await.ok()?;
        match answer.status().as_u16() {
            202 => {}
            // It does not know the product yet: an instance that just came back.
            404 | 503 => return None,
            status => panic!("{status}: {}", answer.text().await.unwrap()),
        }
        let position = answer.headers().get("Order-Position")?.to_str().unwrap().to_owned();
        Some((position, answer.json().await.ok()?))
    })
    .await
}

fn order(row: &Value, domain: &str) -> Order {
    let customer_id = text(&row["customer_id"]);
    let line = |line: &Value| (text(&line["sku"]), line["quantity"].as_i64().unwrap() as i32);
    Order {
        email: format!("customer-{customer_id}@{domain}"),
        locale: "en",
        lines: row["lines"].as_array().unwrap().iter().map(line).collect(),
        key: Some(text(&row["basket"])),
        customer_id,
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn rows(name: &str) -> impl Iterator<Item = Value> {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let stacks = chassis::settings::optional("ORDERFLOW_STACK_DIR");
    let stacks = stacks.map_or_else(|| repository.join(".stack"), PathBuf::from);
    let file = stacks.join("cache/real-data").join(name);
    let text = std::fs::read_to_string(&file)
        .unwrap_or_else(|_| panic!("{} is missing: run scripts/real-data", file.display()));
    let lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines.into_iter().map(|line| serde_json::from_str(&line).unwrap())
}
