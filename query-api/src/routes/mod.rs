//! HTTP only: which path leads where, and what every answer has in common. Reads no table.

mod freshness;
pub(crate) mod orders;
pub(crate) mod products;

use std::time::Instant;

use actix_web::guard::{Any, Get, Head};
use actix_web::http::header::{CACHE_CONTROL, HeaderValue};
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, Responder, ResponseError};
use chassis::problem::Problem;
use serde::Serialize;

use crate::database::Database;
use crate::metrics::{self, Route};
use crate::problems;
use crate::progress::Progress;

/// What every request is served with. Clones share it.
#[derive(Clone)]
pub(crate) struct Api {
    pub(crate) database: Database,
    pub(crate) progress: Progress,
}

/// Every path; they know only GET, and HEAD, which is GET without the body.
pub(crate) fn configure(config: &mut ServiceConfig) {
    resource(config, "/v1/orders/{order_id}", read().to(orders::get));
    resource(config, "/v1/products", read().to(products::list));
    resource(config, "/v1/products/{sku}", read().to(products::get));
}

fn read() -> actix_web::Route {
    web::route().guard(Any(Get()).or(Head()))
}

fn resource(config: &mut ServiceConfig, path: &str, route: actix_web::Route) {
    let other = |request: HttpRequest| async move {
        let problem = problems::method_not_allowed(request.method().as_str());
        observed(Route::Unmatched, async { Err(problem) }).await
    };
    config.service(web::resource(path).route(route).default_service(web::to(other)));
}

/// The answer of a path that does not exist.
pub(crate) async fn not_found(request: HttpRequest) -> impl Responder {
    let answer = async { Ok(chassis::problem::not_found(request).await) };
    observed(Route::Unmatched, answer).await
}

/// Counts and times an answer; a problem becomes one.
async fn observed(
    route: Route,
    answer: impl Future<Output = Result<HttpResponse, Problem>>,
) -> HttpResponse {
    let started = Instant::now();
    let mut response = answer.await.unwrap_or_else(|problem| problem.error_response());
    // What is true now may be otherwise in a moment.
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let (status, took) = (response.status().as_u16(), started.elapsed());
    metrics::answered(route, status, took);
    tracing::debug!(?route, status, micros = took.as_micros() as u64, "answered");
    response
}

fn found(body: &impl Serialize) -> HttpResponse {
    HttpResponse::Ok().json(body)
}

/// A part of the path.
fn path<T: std::str::FromStr<Err: std::fmt::Display>>(
    request: &HttpRequest,
    name: &str,
) -> Result<T, Problem> {
    let text = request.match_info().query(name);
    text.parse().map_err(|e: T::Err| problems::invalid_path(format!("{name}: {e}")))
}
