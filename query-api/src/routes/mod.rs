//! HTTP only: which path leads where, and what every answer has in common. Reads no table.

pub(crate) mod orders;
pub(crate) mod products;

use std::time::{Duration, Instant};

use actix_web::http::header::{CACHE_CONTROL, HeaderName, HeaderValue};
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, Responder, ResponseError};
use chassis::problem::Problem;
use events_schema::Topic;
use serde::Serialize;

use crate::database::Database;
use crate::metrics::{self, Route};
use crate::position::Position;
use crate::progress::{Progress, Reached};
use crate::{prefer, problems};

/// The record whose effect the client wants to see.
const ORDER_MIN_POSITION: HeaderName = HeaderName::from_static("order-min-position");
/// What of `Prefer` was heeded.
const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// What every request is served with. Clones share it.
#[derive(Clone)]
pub(crate) struct Api {
    pub(crate) database: Database,
    pub(crate) progress: Progress,
}

/// Every path; they know only GET.
pub(crate) fn configure(config: &mut ServiceConfig) {
    resource(config, "/v1/orders/{order_id}", web::get().to(orders::get));
    resource(config, "/v1/products", web::get().to(products::list));
    resource(config, "/v1/products/{sku}", web::get().to(products::get));
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

/// What a request says of the time it wants to see.
struct Freshness {
    position: Option<Position>,
    wait: Option<Duration>,
}

impl Freshness {
    fn of(request: &HttpRequest) -> Result<Self, Problem> {
        let Some(value) = request.headers().get(ORDER_MIN_POSITION) else {
            return Ok(Self { position: None, wait: None });
        };
        let position = value.to_str().unwrap_or_default().parse();
        let invalid = |why| problems::invalid_header(format!("Order-Min-Position: {why}"));
        let wait = prefer::wait(request.headers());
        Ok(Self { position: Some(position.map_err(invalid)?), wait })
    }

    /// How far the projection is, if need be after waiting. To be read before the rows: these are
    /// at least as new.
    async fn reached(&self, progress: &Progress) -> Result<Reached, Problem> {
        let reached = match &self.position {
            Some(position) => progress.wait(position, self.wait.unwrap_or_default()).await,
            None => progress.reached().await,
        };
        reached.map_err(problems::unavailable)
    }

    fn is_stale(&self, reached: &Reached) -> bool {
        self.position.as_ref().is_some_and(|position| !reached.has_passed(position))
    }

    /// The position to name where something is not there: of the partition that was asked about,
    /// else of all.
    fn named(&self, topic: Topic, reached: &Reached) -> Vec<Position> {
        match &self.position {
            Some(position) => reached.of(position.topic, Some(position.partition)),
            None => reached.of(topic, None),
        }
    }

    fn applied(&self, mut response: HttpResponse) -> HttpResponse {
        if let Some(wait) = self.wait {
            let value = HeaderValue::from_str(&format!("wait={}", wait.as_secs()));
            value.into_iter().for_each(|value| {
                response.headers_mut().insert(PREFERENCE_APPLIED, value);
            });
        }
        response
    }
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
