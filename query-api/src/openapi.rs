//! The OpenAPI document: what the annotations of the routes do not say. Serves nothing.

use http_chassis::problem::Problem;
use utoipa::{IntoParams, IntoResponses, OpenApi};

use crate::problems::NotFound;
use crate::routes;

/// The document of this build.
pub fn document() -> utoipa::openapi::OpenApi {
    Api::openapi()
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Orderflow query API",
        description = "Shows what became of orders, and what is on the shelf, as inventory has \
            folded the log so far. Everything is read; nothing is written here.\n\n\
            Every error is a problem (RFC 9457) whose `type` never changes. Besides what is listed \
            at the operations, a path that does not exist answers `404` \
            (`urn:orderflow:problem:no-such-resource`) and a method that a path does not know `405` \
            (`urn:orderflow:problem:method-not-allowed`, with `Allow`). A head that is no request of \
            HTTP/1.1 answers `400` (`unreadable-head`), one that is too large `431` \
            (`head-too-large`), one that does not come within 5 s `408` (`request-timeout`); the first request of \
            a connection too many is answered `503` (`too-many-connections`). \
            `retry` says whether to send the same request again.\n\n\
            Amounts and numbers of units are at most 9007199254740991 (2^53 - 1): also a reader of \
            JSON that knows only doubles keeps them.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
        contact(name = "Orderflow"),
    ),
    paths(
        routes::orders::get,
        routes::products::list,
        routes::products::get,
        routes::refusals::list,
    ),
    tags(
        (name = "orders", description = "What became of them."),
        (name = "products", description = "The catalogue with what is on the shelf."),
    ),
)]
struct Api;

/// Headers by which a client sees its own writes.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "only the document names them")]
pub(crate) struct FreshnessHeaders {
    /// `topic:partition@offset`, as an answer of the producer API said it: the answer includes this
    /// record, or says that it is stale. May be given several times; each counts.
    #[param(rename = "Order-Min-Position", value_type = String, required = false, pattern = "^(orders|products|stock):[0-9]{1,9}@[0-9]{1,18}$")]
    order_min_position: Option<String>,
    /// `wait=N`: wait up to N seconds (at most 30) for the position; without, not at all.
    /// `Preference-Applied` says what was done; `wait=0` where too many wait already.
    #[param(rename = "Prefer", value_type = String, required = false, example = "wait=5")]
    prefer: Option<String>,
}

/// An order that is not there.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only the document names it")]
pub(crate) enum OrderNotFoundProblem {
    /// `order-not-found`: inventory has not seen the order yet, or there is none, or it could not be
    /// applied and `parked` says what became of it. With Retry-After where the `Order-Min-Position` is not
    /// reached.
    #[response(status = 404, content_type = "application/problem+json")]
    NotFound(#[to_schema] NotFound),
}

/// A product that is not there.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only the document names it")]
pub(crate) enum ProductNotFoundProblem {
    /// `product-not-found`: the product has not been seen yet, or there is none. With Retry-After
    /// where the `Order-Min-Position` is not reached.
    #[response(status = 404, content_type = "application/problem+json")]
    NotFound(#[to_schema] NotFound),
}

/// What every operation may answer.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only the document names them")]
pub(crate) enum RequestProblems {
    /// `invalid-path`: the id in the path cannot be read. `invalid-header`: the Order-Min-Position
    /// cannot be read. `invalid-query`: a parameter is unknown or beyond its limits.
    #[response(status = 400, content_type = "application/problem+json")]
    Malformed(#[to_schema] Problem),
    /// `defect`: a defect of the service.
    #[response(status = 500, content_type = "application/problem+json")]
    Defect(#[to_schema] Problem),
    /// `database-unavailable`, `overloaded`: each with Retry-After.
    #[response(
        status = 503,
        content_type = "application/problem+json",
        headers(("Retry-After" = u32, description = "Seconds after which a retry makes sense.")),
    )]
    Unavailable(#[to_schema] Problem),
}
