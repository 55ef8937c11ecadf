//! Orders, and reading one's own writes.

use std::time::{Duration, Instant};

use reqwest::StatusCode;
use serde_json::json;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use crate::house::{House, WAITERS_MAX, order_path, place, receive};

const MIN: &str = "Order-Min-Position";

#[sqlx::test(migrations = false)]
async fn an_order_is_shown_with_its_lines_and_times(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let house = House::open(pool, options).await;
    house.fold([receive("milk", 9), place(1, &[("milk", 2), ("milk", 1)])]).await;
    house.advance("orders", 0, 2).await;
    let (status, body) = house.ask(&order_path(1), &[]).await;
    assert_eq!(status, StatusCode::OK);
    let expected = json!({
        "order_id": "00000000-0000-0000-0000-000000000001",
        "customer_id": "ann",
        "status": "confirmed",
        "lines": [
            {"sku": "milk", "quantity": 2, "unit_price_minor": 250},
            {"sku": "milk", "quantity": 1, "unit_price_minor": 250},
        ],
        "total_minor": 750,
        "currency": "USD",
        "shortages": [],
        "placed_at": "2025-12-31T23:59:59.000001Z",
        "decided_at": "2026-01-01T00:00:00Z",
        "cancelled_at": null,
        "parked": null,
        "stale": false,
        "position": "orders:0@1",
    });
    assert_eq!(body, expected);
    house.close().await;
}

#[sqlx::test(migrations = false)]
async fn a_rejected_order_says_what_was_short(pool: PgPoolOptions, options: PgConnectOptions) {
    let house = House::open(pool, options).await;
    house.fold([receive("milk", 2), place(1, &[("milk", 3)])]).await;
    let (_, body) = house.ask(&order_path(1), &[]).await;
    assert_eq!(body["status"], "rejected");
    assert_eq!(body["shortages"], json!([{"sku": "milk", "requested": 3, "available": 2}]));
    assert_eq!(body["position"], json!(null));
    house.close().await;
}

#[sqlx::test(migrations = false)]
async fn an_order_that_was_not_seen_is_not_found_and_says_up_to_where(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let house = House::open(pool, options).await;
    house.advance("orders", 0, 7).await;
    house.advance("orders", 3, 42).await;
    house.advance("orders", 4, 0).await;
    house.advance("stock", 3, 9).await;
    let response = house.get(&order_path(1), &[]).await;
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    let (status, body) = (response.status(), response.json::<serde_json::Value>().await.unwrap());
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert_eq!(body["type"], "urn:orderflow:problem:order-not-found");
    assert_eq!((&body["status"], &body["stale"]), (&json!(404), &json!(false)));
    assert_eq!(body["positions"], json!(["orders:0@6", "orders:3@41"]));
    let (_, body) = house.ask(&order_path(1), &[(MIN, "orders:3@41")]).await;
    assert_eq!((&body["stale"], &body["positions"]), (&json!(false), &json!(["orders:3@41"])));
    house.close().await;
}

#[sqlx::test(migrations = false)]
async fn a_read_waits_until_the_position_is_passed(pool: PgPoolOptions, options: PgConnectOptions) {
    let house = House::open(pool, options).await;
    house.advance("orders", 0, 0).await;
    let headers = [(MIN, "orders:0@0"), ("Prefer", "wait=20")];
    let path = order_path(1);
    let writing = async {
        house.waiting(1).await;
        house.fold([place(1, &[("milk", 3)])]).await;
        house.advance("orders", 0, 1).await;
        Instant::now()
    };
    let (response, written) = tokio::join!(house.get(&path, &headers), writing);
    let late = written.elapsed();
    assert_eq!(response.headers()["preference-applied"], "wait=20");
    let body: serde_json::Value = response.json().await.unwrap();
    assert_eq!((&body["status"], &body["stale"]), (&json!("rejected"), &json!(false)));
    assert!(late < Duration::from_secs(2), "seen {late:?} after it was written");
    house.close().await;
}

#[sqlx::test(migrations = false)]
async fn a_read_that_waited_in_vain_says_that_it_is_stale(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let house = House::open(pool, options).await;
    house.fold([place(1, &[("milk", 3)])]).await;
    house.advance("orders", 0, 1).await;
    let headers = [(MIN, "orders:0@1"), ("Prefer", "wait=1")];
    let started = Instant::now();
    let (status, body) = house.ask(&order_path(1), &headers).await;
    assert!(started.elapsed() >= Duration::from_secs(1));
    assert_eq!((status, &body["stale"]), (StatusCode::OK, &json!(true)));
    assert_eq!(body["position"], "orders:0@0");
    let response = house.get(&order_path(2), &headers[..1]).await;
    assert_eq!(response.headers()["retry-after"], "1");
    assert!(response.headers().get("preference-applied").is_none());
    let body: serde_json::Value = response.json().await.unwrap();
    assert_eq!((&body["stale"], &body["positions"]), (&json!(true), &json!(["orders:0@0"])));
    let (_, body) = house.ask(&order_path(2), &[(MIN, "orders:9@0")]).await;
    assert_eq!((&body["stale"], &body["positions"]), (&json!(true), &json!([])));
    house.close().await;
}

#[sqlx::test(migrations = false)]
async fn many_waiters_cost_one_query_at_a_time(pool: PgPoolOptions, options: PgConnectOptions) {
    let house = House::open(pool, options).await;
    house.fold([place(1, &[("milk", 3)])]).await;
    house.advance("orders", 0, 0).await;
    let headers = [(MIN, "orders:0@0"), ("Prefer", "wait=20")];
    let path = order_path(1);
    let asks = (0..50).map(|_| house.ask_until_served(&path, &headers));
    let asking = futures::future::join_all(asks);
    let writing = async {
        house.waiting(50).await;
        // Five connections for fifty who wait: none of them holds one.
        let (status, _) = house.ask(&path, &[]).await;
        assert_eq!(status, StatusCode::OK);
        house.advance("orders", 0, 1).await;
    };
    let (answers, ()) = tokio::join!(asking, writing);
    for (status, body) in answers {
        assert_eq!((status, &body["stale"]), (StatusCode::OK, &json!(false)));
    }
    house.close().await;
}

#[sqlx::test(migrations = false)]
async fn the_patient_are_all_answered_and_the_one_too_many_at_once(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let house = House::open(pool, options).await;
    house.advance("orders", 0, 0).await;
    let headers = [(MIN, "orders:0@0"), ("Prefer", "wait=20")];
    let path = order_path(1);
    let asks = (0..WAITERS_MAX).map(|_| house.ask_until_served(&path, &headers));
    let asking = futures::future::join_all(asks);
    let one_more = async {
        house.waiting(WAITERS_MAX).await;
        let response = house.get(&path, &headers).await;
        assert_eq!(response.headers()["preference-applied"], "wait=0");
        let body: serde_json::Value = response.json().await.unwrap();
        assert_eq!((&body["status"], &body["stale"]), (&json!(404), &json!(true)));
        house.fold([place(1, &[("milk", 3)])]).await;
        house.advance("orders", 0, 1).await;
    };
    let (answers, ()) = tokio::join!(asking, one_more);
    for (status, body) in answers {
        assert_eq!((status, &body["stale"]), (StatusCode::OK, &json!(false)));
    }
    house.close().await;
}

#[sqlx::test(migrations = false)]
async fn every_position_of_a_request_counts(pool: PgPoolOptions, options: PgConnectOptions) {
    let house = House::open(pool, options).await;
    house.advance("orders", 0, 5).await;
    house.advance("stock", 2, 3).await;
    let path = order_path(1);
    let table = [
        (vec![(MIN, "orders:0@4"), (MIN, "stock:2@2")], false),
        (vec![(MIN, "orders:0@4"), (MIN, "orders:0@5")], true),
        (vec![(MIN, "orders:0@5"), (MIN, "orders:0@4")], true),
        (vec![(MIN, "orders:0@4, stock:2@3")], true),
    ];
    for (headers, stale) in table {
        let (_, body) = house.ask(&path, &headers).await;
        assert_eq!(body["stale"], stale, "{headers:?}");
    }
    let headers = [(MIN, "stock:2@2"), (MIN, "orders:0@5"), (MIN, "orders:0@4")];
    let (_, body) = house.ask(&path, &headers).await;
    assert_eq!(body["positions"], json!(["orders:0@4", "stock:2@2"]));
    house.close().await;
}

#[sqlx::test(migrations = false)]
async fn a_parked_order_is_not_said_to_be_none(pool: PgPoolOptions, options: PgConnectOptions) {
    let house = House::open(pool, options).await;
    house.advance("orders", 0, 1).await;
    house.park("orders", 1, "quarantined").await;
    let (status, body) = house.ask(&order_path(1), &[(MIN, "orders:0@0")]).await;
    assert_eq!((status, &body["stale"]), (StatusCode::NOT_FOUND, &json!(false)));
    let detail = body["detail"].as_str().unwrap();
    assert!(detail.contains("parked") && !detail.contains("ann"), "{detail}");
    assert_eq!(body["parked"], "waiting");
    let (_, body) = house.ask(&order_path(2), &[(MIN, "orders:0@0")]).await;
    assert!(body["detail"].as_str().unwrap().contains("no such order"), "{body}");
    assert!(body.get("parked").is_none(), "{body}");
    house.close().await;
}

#[sqlx::test(migrations = false)]
async fn a_discarded_order_is_said_to_be_given_up(pool: PgPoolOptions, options: PgConnectOptions) {
    let house = House::open(pool, options).await;
    house.park("orders", 1, "discarded").await;
    let (status, body) = house.ask(&order_path(1), &[]).await;
    assert_eq!((status, &body["parked"]), (StatusCode::NOT_FOUND, &json!("given_up")));
    let detail = body["detail"].as_str().unwrap();
    assert!(detail.contains("gave it up") && !detail.contains("until"), "{detail}");
    // A later event of it waits all the same.
    house.park("orders", 1, "parked").await;
    let (_, body) = house.ask(&order_path(1), &[]).await;
    assert_eq!(body["parked"], "waiting");
    house.close().await;
}

#[sqlx::test(migrations = false)]
async fn an_order_says_what_became_of_its_event_that_was_parked(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let house = House::open(pool, options).await;
    house.fold([place(1, &[("milk", 3)]), place(2, &[("milk", 3)])]).await;
    house.park("orders", 1, "parked").await;
    // The same text is no order where it is the subject of another topic.
    house.park("stock", 2, "parked").await;
    let mut said = Vec::new();
    for number in [1, 2] {
        let (status, body) = house.ask(&order_path(number), &[]).await;
        assert_eq!(status, StatusCode::OK);
        said.push(body["parked"].clone());
    }
    assert_eq!(said, [json!("waiting"), json!(null)]);
    house.close().await;
}

#[sqlx::test(migrations = false)]
async fn head_is_get_without_the_body(pool: PgPoolOptions, options: PgConnectOptions) {
    let house = House::open(pool, options).await;
    house.fold([place(1, &[("milk", 3)])]).await;
    let length = house.get(&order_path(1), &[]).await.headers()["content-length"].clone();
    let response = house.head(&order_path(1)).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()["content-length"], length);
    assert_eq!(response.bytes().await.unwrap().len(), 0);
    assert_eq!(house.head(&order_path(2)).await.status(), StatusCode::NOT_FOUND);
    house.close().await;
}

#[sqlx::test(migrations = false)]
async fn what_cannot_be_read_is_refused(pool: PgPoolOptions, options: PgConnectOptions) {
    let house = House::open(pool, options).await;
    let order = order_path(1);
    let position = |text| vec![(MIN, text)];
    let table = [
        (order.as_str(), position("orders:0"), 400, "invalid-header"),
        (order.as_str(), position("carts:0@1"), 400, "invalid-header"),
        (order.as_str(), position("orders:0@-1"), 400, "invalid-header"),
        ("/v1/orders/42", vec![], 400, "invalid-path"),
        ("/v1/orders", vec![], 404, "no-such-resource"),
        ("/v1/products/a%20b", vec![], 400, "invalid-path"),
    ];
    for (path, headers, status, kind) in table {
        let (answered, body) = house.ask(path, &headers).await;
        assert_eq!(answered.as_u16(), status, "{path} {headers:?}");
        assert_eq!(body["type"], format!("urn:orderflow:problem:{kind}"), "{path} {headers:?}");
    }
    house.close().await;
}

#[sqlx::test(migrations = false)]
async fn the_api_describes_itself(pool: PgPoolOptions, options: PgConnectOptions) {
    let house = House::open(pool, options).await;
    let (_, document) = house.ask("/openapi.json", &[]).await;
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    for path in ["/v1/orders/{order_id}", "/v1/products", "/v1/products/{sku}"] {
        assert!(document["paths"][path]["get"].is_object(), "{path}");
    }
    let page = house.get("/docs", &[]).await.text().await.unwrap();
    assert!(page.contains("swagger-ui"), "{page}");
    let script = house.get("/docs/swagger-initializer.js", &[]).await.text().await.unwrap();
    assert!(script.contains("\"validatorUrl\": \"none\""), "{script}");
    house.close().await;
}
