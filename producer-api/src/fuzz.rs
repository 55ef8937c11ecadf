//! Whatever a client sends, the answer is a request that can be carried out or a problem of a known
//! status; see `fuzz/`.

use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::test::TestRequest;
use events_schema::{IdempotencyKey, envelope};
use fuzz::fuzz;
use http_chassis::problem::Problem;

use crate::order_request::{CancelRequest, OrderRequest};
use crate::product_request::{ProductRequest, parse_stock};
use crate::trace;

/// Bytes of the longest problem: it repeats little of what it was sent.
const PROBLEM_BYTES_MAX: usize = 64 * 1024;

fn answered<T>(parsed: Result<T, Problem>) {
    let Err(problem) = parsed else { return };
    assert!([400, 422].contains(&problem.status), "{problem:?}");
    assert!(serde_json::to_vec(&problem).unwrap().len() < PROBLEM_BYTES_MAX);
}

#[test]
fn any_body_of_an_order_is_one_or_a_problem() {
    fuzz("order", |body| {
        let order = OrderRequest::parse(body);
        if let Ok(order) = &order {
            assert!((1..=500).contains(&order.lines.len()));
        }
        answered(order);
    });
}

#[test]
fn any_body_of_a_cancellation_is_one_or_a_problem() {
    fuzz("cancel", |body| answered(CancelRequest::parse(body)));
}

#[test]
fn any_body_of_a_product_is_one_or_a_problem() {
    fuzz("product", |body| answered(ProductRequest::parse(body)));
}

#[test]
fn any_body_of_a_delivery_is_one_or_a_problem() {
    fuzz("stock", |body| answered(parse_stock(body)));
}

#[test]
fn any_idempotency_key_is_one_or_refused() {
    fuzz("idempotency-key", |bytes| {
        let text = String::from_utf8_lossy(bytes);
        let is_one = text.parse::<IdempotencyKey>().is_ok();
        let visible = text.bytes().all(|byte| byte.is_ascii_graphic());
        assert_eq!(is_one, visible && (1..=128).contains(&text.len()));
    });
}

#[test]
fn whatever_trace_a_client_names_the_records_is_a_valid_one() {
    fuzz("traceparent", |bytes| {
        let Ok(value) = HeaderValue::from_bytes(bytes) else { return };
        let name = HeaderName::from_static(envelope::TRACEPARENT);
        let request = TestRequest::get().insert_header((name, value)).to_http_request();
        let trace = trace::of(&request);
        assert_eq!((trace.len(), &trace[..3], trace.matches('-').count()), (55, "00-", 3));
    });
}
