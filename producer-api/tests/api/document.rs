//! The OpenAPI document and the service say the same.

use serde_json::Value;

use crate::harness::{Answer, World};

fn document() -> Value {
    serde_json::to_value(producer_api::openapi::document()).unwrap()
}

/// Fails unless the document lists the status for the operation, and the problem's kind with it.
#[track_caller]
pub(crate) fn assert_documented(method: &str, path: &str, status: u16, kind: &str) {
    let document = document();
    let response = &document["paths"][path][method]["responses"][status.to_string()];
    let description = response["description"].as_str().unwrap_or_default();
    assert!(description.contains(&format!("`{kind}`")), "{method} {path} {status} {kind}");
}

#[test]
fn it_is_openapi_3_1_and_names_every_operation() {
    let document = document();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"), "{document}");
    let paths = document["paths"].as_object().unwrap();
    let operations: Vec<_> = paths
        .iter()
        .flat_map(|(path, item)| {
            item.as_object().unwrap().keys().map(move |m| (m.as_str(), path.as_str()))
        })
        .collect();
    assert_eq!(
        operations,
        [
            ("post", "/v1/orders"),
            ("post", "/v1/orders/{order_id}/cancel"),
            ("delete", "/v1/products/{sku}"),
            ("put", "/v1/products/{sku}"),
            ("post", "/v1/products/{sku}/stock"),
        ]
    );
}

#[test]
fn every_reference_leads_somewhere() {
    let document = document();
    let text = document.to_string();
    let references = text.split(r##""$ref":"#"##).skip(1);
    let mut count = 0;
    for reference in references {
        let pointer = reference.split('"').next().unwrap();
        assert!(document.pointer(pointer).is_some(), "{pointer} is not there");
        count += 1;
    }
    assert!(count > 10, "{count}");
}

/// The example body of an operation.
fn example(operation: &Value, document: &Value) -> Value {
    let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
    let reference = schema["$ref"].as_str().unwrap().trim_start_matches('#');
    let schema = document.pointer(reference).unwrap();
    schema["example"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_examples_of_every_operation_work_as_they_stand() {
    let world = World::new();
    world.sell("1082185", 59, "USD").await;
    let service = world.ready().await;
    let document = service.get("/openapi.json").await.body;
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let id = "018f3b5e-0000-7000-8000-000000000000";
            let path = path.replace("{order_id}", id).replace("{sku}", "1082185");
            let method = method.to_uppercase().parse().unwrap();
            let mut request = service.http.request(method, format!("{}{path}", service.url));
            if !operation["requestBody"].is_null() {
                request = request.json(&example(operation, &document));
            }
            let answer = Answer::of(request).await;
            assert_eq!(answer.status, 202, "{path} {answer:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_of_the_document_needs_nothing_from_elsewhere() {
    let world = World::new();
    let service = world.start();
    let page = service.http.get(format!("{}/docs", service.url)).send().await.unwrap();
    assert_eq!(page.status(), 200);
    let html = page.text().await.unwrap();
    assert!(html.contains("swagger-ui"), "{html}");
    assert!(!html.contains("https://"), "{html}");
    let set_up = service.http.get(format!("{}/docs/swagger-initializer.js", service.url));
    let set_up = set_up.send().await.unwrap().text().await.unwrap();
    assert!(set_up.contains(r#""validatorUrl": "none""#), "{set_up}");
    assert!(set_up.contains("/openapi.json") && !set_up.contains("https://"), "{set_up}");
}
