//! What is refused because of the request itself, and how the answer says so.

use events_schema::{Event, Topic};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::document;
use crate::harness::{Answer, Service, World, order};

/// A body that is refused, with the kind and the pointers of the problem.
type Refused = (Value, u16, &'static str, &'static [&'static str]);

fn with(change: impl FnOnce(&mut Value)) -> Value {
    let mut body = order("c1", "apple");
    change(&mut body);
    body
}

fn invalid(body: Value, pointers: &'static [&'static str]) -> Refused {
    (body, 422, "invalid-body", pointers)
}

fn refused_orders() -> Vec<Refused> {
    vec![
        invalid(json!({}), &["/customer_id", "/lines", "/contact"]),
        invalid(json!([]), &[""]),
        invalid(with(|b| b["total"] = json!(1)), &["/total"]),
        invalid(with(|b| b["lines"][0]["price"] = json!(1)), &["/lines/0/price"]),
        invalid(with(|b| b["lines"] = json!([])), &["/lines"]),
        invalid(
            with(|b| b["lines"] = json!(vec![json!({"sku": "apple", "quantity": 1}); 501])),
            &["/lines"],
        ),
        invalid(with(|b| b["lines"][0]["quantity"] = json!("2")), &["/lines/0/quantity"]),
        invalid(with(|b| b["lines"][0]["quantity"] = json!(1.5)), &["/lines/0/quantity"]),
        invalid(
            json!({
                "customer_id": "not an id",
                "lines": [{"sku": "apple", "quantity": 0}, {"quantity": 1_000_001}],
                "contact": {"name": " ", "email": "nobody"},
                "locale": "fr",
            }),
            &[
                "/customer_id",
                "/lines/0/quantity",
                "/lines/1/sku",
                "/lines/1/quantity",
                "/contact/name",
                "/contact/email",
                "/locale",
            ],
        ),
        (
            with(|b| {
                b["lines"] = json!([
                    {"sku": "apple", "quantity": 1},
                    {"sku": "no-such", "quantity": 1},
                    {"sku": "neither", "quantity": 1},
                ]);
            }),
            404,
            "unknown-sku",
            &["/lines/1/sku", "/lines/2/sku"],
        ),
        (
            with(|b| {
                b["lines"] =
                    json!([{"sku": "apple", "quantity": 1}, {"sku": "euro", "quantity": 1}]);
            }),
            422,
            "mixed-currencies",
            &["/lines/1/sku"],
        ),
    ]
}

async fn shop() -> (World, Service) {
    let world = World::new();
    world.sell("apple", 59, "USD").await;
    world.sell("euro", 59, "EUR").await;
    let service = world.ready().await;
    (world, service)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_fault_of_an_order_is_pointed_at_and_nothing_is_published() {
    let (world, service) = shop().await;
    for (body, status, kind, pointers) in refused_orders() {
        let answer = service.place(&body).await;
        let seen = (answer.status, answer.kind(), answer.pointers());
        assert_eq!(seen, (status, kind, pointers.to_vec()), "{body}");
        assert_eq!(answer.header("content-type"), "application/problem+json");
        document::assert_documented("post", "/v1/orders", status, kind);
    }
    assert!(world.events(Topic::Orders).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_json_is_told_apart_from_what_is_the_wrong_json() {
    let (_world, service) = shop().await;
    let post = |content_type: &str, body: &str| {
        let request = service.http.post(format!("{}/v1/orders", service.url));
        request.header("content-type", content_type).body(body.to_owned())
    };
    let key = |key: &str, request: reqwest::RequestBuilder| request.header("Idempotency-Key", key);
    let json = "application/json; charset=utf-8";
    let quantity = |number: &str| format!("{{\"lines\": [{{\"quantity\": {number}}}]}}");
    let twice = r#"{"customer_id":"a","customer_id":"b"}"#;
    let table = [
        (post(json, ""), 400, "malformed-json"),
        (post(json, r#"{"customer_id": "c1""#), 400, "malformed-json"),
        (post(json, "{} {}"), 400, "malformed-json"),
        (post(json, twice), 422, "invalid-body"),
        (post("text/plain", "{}"), 415, "unsupported-media-type"),
        (post("application/json; charset=utf-16", "{}"), 415, "unsupported-media-type"),
        (post("application/json; charset=\"UTF-8\"", "{}"), 422, "invalid-body"),
        (post(json, &quantity("1e400")), 400, "malformed-json"),
        (post(json, &quantity("NaN")), 400, "malformed-json"),
        (post(json, &quantity("01")), 400, "malformed-json"),
        (post(json, "{\"customer_id\": \"c1\",}"), 400, "malformed-json"),
        (post(json, "{\"customer_id\": \"\\ud800\"}"), 400, "malformed-json"),
        (post(json, &"[".repeat(100_000)), 422, "invalid-body"),
        (
            post(json, "{}").header("content-encoding", b"\xff".as_slice()),
            415,
            "unsupported-media-type",
        ),
        (post(json, "{}").header("Idempotency-Key", b"\xff".as_slice()), 400, "invalid-header"),
        (post(json, "{}").header("Idempotency-Key", ""), 400, "invalid-header"),
        (post(json, "{}").header("content-encoding", "gzip"), 415, "unsupported-media-type"),
        (post(json, &" ".repeat(256 * 1024 + 1)), 413, "body-too-large"),
        (post(json, "{}").header("Idempotency-Key", "a b"), 400, "invalid-header"),
        (key("a", post(json, "{}")).header("Idempotency-Key", "a"), 400, "invalid-header"),
    ];
    for (request, status, kind) in table {
        let answer = Answer::of(request).await;
        assert_eq!((answer.status, answer.kind()), (status, kind), "{answer:?}");
        document::assert_documented("post", "/v1/orders", status, kind);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_not_utf_8_or_has_a_byte_order_mark_is_told_so() {
    let (_world, service) = shop().await;
    let utf_16 = |mark: &[u8]| {
        let units = order("c1", "apple").to_string();
        [mark, &units.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>()].concat()
    };
    let marked = [b"\xef\xbb\xbf".as_slice(), order("c1", "apple").to_string().as_bytes()].concat();
    for (body, why) in [
        (marked, "EF BB BF"),
        (utf_16(b"\xff\xfe"), "byte order mark of UTF-16"),
        (utf_16(b""), "is UTF-16"),
        (b"{\"customer_id\": \"\xff\"}".to_vec(), "unicode"),
    ] {
        let request = service.http.post(format!("{}/v1/orders", service.url));
        let request = request.header("content-type", "application/json").body(body);
        let answer = Answer::of(request).await;
        assert_eq!((answer.status, answer.kind()), (400, "malformed-json"), "{answer:?}");
        let detail = answer.body["errors"][0]["detail"].as_str().unwrap();
        assert!(detail.contains(why), "{detail}");
        assert_eq!(answer.body["retry"], "never");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_could_not_come_out_again_does_not_get_in() {
    let (world, service) = shop().await;
    let long_label = format!("ada@{}.com", "x".repeat(64));
    for (member, value) in [
        ("email", long_label.as_str()),
        ("email", "ada@-x.com"),
        ("email", "ada@localhost"),
        ("name", "\u{200b}"),
        ("name", "Ada \u{202e}evil"),
        ("name", "Ada \u{2066}"),
        ("name", "\u{3164}"),
    ] {
        let answer = service.place(&with(|body| body["contact"][member] = json!(value))).await;
        let pointer = format!("/contact/{member}");
        assert_eq!((answer.status, answer.pointers()), (422, vec![pointer.as_str()]), "{value:?}");
    }
    let put = |body: Value| service.http.put(format!("{}/v1/products/x", service.url)).json(&body);
    let product = |name: &str, currency: &str| json!({"name": name, "department": "d", "price_minor": 1, "currency": currency});
    for (body, pointer) in [
        (product("x", "XXX"), "/currency"),
        (product("x", "XTS"), "/currency"),
        (product("x", "ABC"), "/currency"),
        (product("\u{2800}", "USD"), "/name"),
        (product("x\u{202d}", "USD"), "/name"),
    ] {
        let answer = Answer::of(put(body)).await;
        assert_eq!((answer.status, answer.pointers()), (422, vec![pointer]));
    }
    let answer = Answer::of(put(product("x", "CLF"))).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    assert!(world.events(Topic::Orders).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn paths_and_requests_of_any_bytes_are_problems() {
    let (_world, service) = shop().await;
    let address = service.url.trim_start_matches("http://");
    for line in [
        "PUT /v1/products/%00",
        "PUT /v1/products/a%2Fb",
        "PUT /v1/products/%FF",
        "PUT /v1/products/%zz",
        "PUT /v1/products/",
        "PUT //v1/products/a",
        "BREW /v1/orders",
        "CONNECT example.com:443",
        "OPTIONS *",
        "TRACE /v1/orders",
        "GET /docs/nothing",
        "POST /docs/",
        "DELETE /openapi.json",
        "POST /metrics",
    ] {
        let mut connection = TcpStream::connect(address).await.unwrap();
        let head = format!("{line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        connection.write_all(head.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        connection.read_to_end(&mut answer).await.unwrap();
        let answer = String::from_utf8_lossy(&answer);
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        assert!(head.starts_with("HTTP/1.1 4"), "{line}: {answer}");
        assert!(head.contains("content-type: application/problem+json"), "{line}: {answer}");
        let problem: Value = serde_json::from_str(body).unwrap();
        assert_eq!(problem["retry"], "never", "{line}: {answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_whose_total_not_every_reader_keeps_is_refused() {
    let world = World::new();
    world.sell("dear", 1_000_000_000, "USD").await;
    let service = world.ready().await;
    let of = |lines: usize| {
        let mut body = order("c1", "dear");
        body["lines"] = json!(vec![json!({"sku": "dear", "quantity": 1_000_000}); lines]);
        body
    };
    assert_eq!(service.place(&of(9)).await.status, 202);
    let answer = service.place(&of(10)).await;
    assert_eq!((answer.status, answer.pointers()), (422, vec!["/lines"]), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_of_unknown_length_is_refused_at_the_limit() {
    let (_world, service) = shop().await;
    let address = service.url.trim_start_matches("http://");
    let mut connection = TcpStream::connect(address).await.unwrap();
    let head = "POST /v1/orders HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
                Transfer-Encoding: chunked\r\n\r\n";
    connection.write_all(head.as_bytes()).await.unwrap();
    let chunk = format!("10000\r\n{}\r\n", " ".repeat(0x10000));
    for _ in 0..5 {
        connection.write_all(chunk.as_bytes()).await.unwrap();
    }
    let mut answer = [0; 12];
    connection.read_exact(&mut answer).await.unwrap();
    assert_eq!(String::from_utf8_lossy(&answer), "HTTP/1.1 413");
}

#[tokio::test(flavor = "multi_thread")]
async fn paths_and_methods_that_do_not_exist_are_problems_too() {
    let (_world, service) = shop().await;
    let answer = service.get("/v1/nothing").await;
    assert_eq!((answer.status, answer.kind()), (404, "no-such-resource"));
    for (path, allowed) in [
        ("/v1/orders", "POST"),
        ("/v1/products/x", "DELETE, PUT"),
        ("/v1/products/x/stock", "POST"),
    ] {
        let answer = service.get(path).await;
        assert_eq!((answer.status, answer.kind()), (405, "method-not-allowed"), "{path}");
        assert_eq!(answer.header("allow"), allowed, "{path}");
    }
    let body = json!({"customer_id": "c1"});
    let answer = Answer::of(service.post("/v1/orders/7/cancel", &body)).await;
    assert_eq!((answer.status, answer.kind()), (400, "invalid-path"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_stays_short_whatever_the_client_sent() {
    let (_world, service) = shop().await;
    let mut long = json!({});
    long["x".repeat(50_000)] = json!(1);
    let many = with(|b| b["lines"] = json!(vec![json!({"sku": "none", "quantity": 1}); 500]));
    for body in [long, with(|b| b["customer_id"] = json!({"y".repeat(50_000): 1})), many] {
        let answer = service.place(&body).await;
        assert!(answer.status == 422 || answer.status == 404, "{answer:?}");
        let errors = answer.body["errors"].as_array().unwrap();
        assert!(!errors.is_empty() && errors.len() <= 50, "{}", errors.len());
        assert!(answer.body.to_string().len() < 10_000, "{answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_endpoints_of_health_can_be_read_and_nothing_else() {
    let (_world, service) = shop().await;
    for path in ["/livez", "/readyz", "/metrics"] {
        let url = format!("{}{path}", service.url);
        let head = service.http.head(&url).send().await.unwrap();
        assert_eq!((head.status().as_u16(), head.text().await.unwrap().as_str()), (200, ""));
        let answer = Answer::of(service.http.post(&url)).await;
        assert_eq!((answer.status, answer.kind()), (405, "method-not-allowed"), "{path}");
        assert_eq!(answer.header("allow"), "GET, HEAD", "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delta_counts_once_per_key_and_is_never_lost_to_another_one() {
    let (world, service) = shop().await;
    for delta in [5, 5, 7] {
        let request = service.post("/v1/products/apple/stock", &json!({"delta": delta}));
        let answer = Answer::of(request.header("Idempotency-Key", "k1")).await;
        assert_eq!(answer.status, 202, "{answer:?}");
    }
    let stock = world.events(Topic::Stock);
    let ids: Vec<_> = stock.iter().map(Event::event_id).collect();
    let [first, again, other] = ids.as_slice() else { panic!("{stock:?}") };
    assert!(first == again && first != other, "{stock:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_product_and_its_stock_are_published_or_refused() {
    let (world, service) = shop().await;
    let put =
        |path: &str, body: &Value| service.http.put(format!("{}{path}", service.url)).json(body);
    let pear =
        json!({"name": "Pears", "department": "Produce", "price_minor": 0, "currency": "USD"});
    let mut dear = pear.clone();
    dear["price_minor"] = json!(1_000_000_001);
    dear["currency"] = json!("usd");

    let answer = Answer::of(put("/v1/products/pear", &pear)).await;
    assert_eq!((answer.status, answer.body["sku"].as_str()), (202, Some("pear")), "{answer:?}");
    assert!(answer.header("order-position").starts_with("products:"), "{answer:?}");
    let answer = Answer::of(put("/v1/products/pear", &dear)).await;
    assert_eq!((answer.status, answer.pointers()), (422, vec!["/price_minor", "/currency"]));
    let answer = Answer::of(put("/v1/products/a%20b", &pear)).await;
    assert_eq!((answer.status, answer.kind()), (400, "invalid-path"));

    for delta in [5, 0] {
        let request = service.post("/v1/products/pear/stock", &json!({"delta": delta}));
        let answer = Answer::of(request.header("Idempotency-Key", "k1")).await;
        match delta {
            0 => assert_eq!((answer.status, answer.pointers()), (422, vec!["/delta"])),
            _ => assert!(answer.header("order-position").starts_with("stock:"), "{answer:?}"),
        }
    }
    let stock = world.events(Topic::Stock);
    let [Event::StockReceived(received)] = stock.as_slice() else { panic!("{stock:?}") };
    assert_eq!((received.sku.as_str(), received.delta.get()), ("pear", 5));
}
