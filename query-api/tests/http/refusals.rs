//! What was refused, for whoever asked for it.

use reqwest::StatusCode;
use serde_json::{Value, json};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use crate::house::{House, product, receive};

#[sqlx::test(migrations = false)]
async fn what_was_refused_is_shown_also_of_a_sku_that_nobody_knows(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let house = House::open(pool, options).await;
    let asked = receive("ghost-1", -5);
    let id = asked.event_id();
    house.fold([product("milk", "GROCERY"), receive("milk", 2), receive("milk", -2), asked]).await;
    let (status, page) = house.ask("/v1/products/ghost-1/stock-refusals", &[]).await;
    assert_eq!(status, StatusCode::OK);
    let refused_at = page["items"][0]["refused_at"].clone();
    let expected = json!({"event_id": id, "position": "stock:0@3", "delta": -5, "available": 0,
        "cause": "stock-below-zero", "refused_at": refused_at});
    assert_eq!(page, json!({"items": [expected], "stale": false}));
    for sku in ["milk", "nothing"] {
        let (_, page) = house.ask(&format!("/v1/products/{sku}/stock-refusals"), &[]).await;
        assert_eq!(page, json!({"items": [], "stale": false}), "{sku}");
    }
    house.close().await;
}

#[sqlx::test(migrations = false)]
async fn every_refusal_is_on_exactly_one_page_the_newest_first(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let house = House::open(pool, options).await;
    house.fold((1..=5).map(|units| receive("milk", -units))).await;
    let mut path = "/v1/products/milk/stock-refusals?limit=2".to_owned();
    let mut seen = Vec::new();
    loop {
        let response = house.get(&path, &[]).await;
        let link = response.headers().get("link").map(|link| link.to_str().unwrap().to_owned());
        let page: Value = response.json().await.unwrap();
        seen.extend(page["items"].as_array().unwrap().iter().map(|item| item["delta"].clone()));
        let Some(next) = page["next"].as_str() else { break };
        assert_eq!(link.unwrap(), format!("<{next}>; rel=\"next\""));
        path = next.to_owned();
    }
    assert_eq!(seen, [-5, -4, -3, -2, -1]);
    house.close().await;
}

#[sqlx::test(migrations = false)]
async fn refusals_from_before_the_position_asked_for_are_stale(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let house = House::open(pool, options).await;
    house.advance("stock", 0, 5).await;
    for (position, stale) in [("stock:0@4", false), ("stock:0@5", true)] {
        let headers = [("Order-Min-Position", position)];
        let (_, page) = house.ask("/v1/products/milk/stock-refusals", &headers).await;
        assert_eq!(page["stale"], stale, "{position}");
    }
    for query in ["limit=0", "limit=201", "cursor=x", "cursor=czE6YQ", "page=2"] {
        let path = format!("/v1/products/milk/stock-refusals?{query}");
        let (status, body) = house.ask(&path, &[]).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{query}");
        assert_eq!(body["type"], "urn:orderflow:problem:invalid-query", "{query}");
    }
    house.close().await;
}
