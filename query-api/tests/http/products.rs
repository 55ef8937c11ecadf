//! The catalogue with what is left.

use reqwest::StatusCode;
use serde_json::{Value, json};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use crate::house::{House, place, product, receive};

fn skus(page: &Value) -> Vec<&str> {
    page["items"].as_array().unwrap().iter().map(|item| item["sku"].as_str().unwrap()).collect()
}

#[sqlx::test(migrations = false)]
async fn every_product_is_on_exactly_one_page(pool: PgPoolOptions, options: PgConnectOptions) {
    let house = House::open(pool, options).await;
    let all = ["B", "a", "a-1", "a.1", "b", "c"];
    house.fold(all.map(|sku| product(sku, "GROCERY"))).await;
    let mut path = "/v1/products?limit=2".to_owned();
    let mut seen: Vec<String> = Vec::new();
    loop {
        let response = house.get(&path, &[]).await;
        let link = response.headers().get("link").map(|link| link.to_str().unwrap().to_owned());
        let page: Value = response.json().await.unwrap();
        seen.extend(skus(&page).into_iter().map(str::to_owned));
        let Some(next) = page["next"].as_str() else { break };
        assert_eq!(link.unwrap(), format!("<{next}>; rel=\"next\""));
        path = next.to_owned();
    }
    assert_eq!(seen, all);
    house.close().await;
}

#[sqlx::test(migrations = false)]
async fn a_department_is_paged_by_itself(pool: PgPoolOptions, options: PgConnectOptions) {
    let house = House::open(pool, options).await;
    let drugs = "DRUG & \"GM\"";
    house.fold([product("a", drugs), product("b", "MEAT"), product("c", drugs)]).await;
    let path = "/v1/products?limit=1&department=DRUG%20%26%20%22GM%22";
    let (_, page) = house.ask(path, &[]).await;
    assert_eq!(skus(&page), ["a"]);
    let (_, page) = house.ask(page["next"].as_str().unwrap(), &[]).await;
    assert_eq!(skus(&page), ["c"]);
    assert_eq!(page.get("next"), None);
    let (_, page) = house.ask("/v1/products?department=NONE", &[]).await;
    assert_eq!(page, json!({"items": [], "stale": false}));
    house.close().await;
}

#[sqlx::test(migrations = false)]
async fn a_product_is_shown_with_what_is_left(pool: PgPoolOptions, options: PgConnectOptions) {
    let house = House::open(pool, options).await;
    house.fold([product("milk", "GROCERY"), product("tea", "GROCERY")]).await;
    house.fold([receive("milk", 9), place(1, &[("milk", 3)])]).await;
    let (_, page) = house.ask("/v1/products", &[]).await;
    let left: Vec<_> = page["items"].as_array().unwrap().iter().map(|p| &p["available"]).collect();
    assert_eq!(left, [6, 0]);
    let (status, body) = house.ask("/v1/products/milk", &[]).await;
    assert_eq!(status, StatusCode::OK);
    let expected = json!({
        "sku": "milk", "name": "Product milk", "department": "GROCERY", "price_minor": 250,
        "currency": "USD", "available": 6, "updated_at": "1970-01-01T00:00:00Z", "stale": false,
    });
    assert_eq!(body, expected);
    house.close().await;
}

#[sqlx::test(migrations = false)]
async fn a_product_that_was_not_seen_is_not_found(pool: PgPoolOptions, options: PgConnectOptions) {
    let house = House::open(pool, options).await;
    house.advance("products", 2, 5).await;
    let headers = [("Order-Min-Position", "products:2@5")];
    let (status, body) = house.ask("/v1/products/milk", &headers).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert_eq!(body["type"], "urn:orderflow:problem:product-not-found");
    assert_eq!((&body["stale"], &body["positions"]), (&json!(true), &json!(["products:2@4"])));
    house.close().await;
}

#[sqlx::test(migrations = false)]
async fn a_query_beyond_its_limits_is_refused(pool: PgPoolOptions, options: PgConnectOptions) {
    let house = House::open(pool, options).await;
    let long = format!("department={}", "x".repeat(101));
    for query in ["limit=0", "limit=201", "limit=-1", "limit=x", "cursor=x", "page=2", &long] {
        let (status, body) = house.ask(&format!("/v1/products?{query}"), &[]).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{query}");
        assert_eq!(body["type"], "urn:orderflow:problem:invalid-query", "{query}");
    }
    for query in ["limit=1", "limit=200", ""] {
        let (status, _) = house.ask(&format!("/v1/products?{query}"), &[]).await;
        assert_eq!(status, StatusCode::OK, "{query}");
    }
    house.close().await;
}
