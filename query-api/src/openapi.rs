//! The OpenAPI document: what the annotations of the routes do not say. Serves nothing.

use utoipa::{IntoParams, IntoResponses, OpenApi, ToSchema};

use crate::orders::Parked;
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
            (`head-too-large`), one that does not come within 5 s `408` (`request-timeout`). \
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

/// An answer that is no success (RFC 9457).
#[derive(ToSchema)]
#[schema(as = Problem)]
#[expect(dead_code, reason = "http_chassis::problem::Problem, as the document shows it")]
pub(crate) struct ProblemBody {
    /// `urn:orderflow:problem:` and a word that never changes.
    #[schema(rename = "type", example = "urn:orderflow:problem:invalid-query")]
    kind: String,
    /// The kind in a few words.
    #[schema(example = "The query cannot be read")]
    title: String,
    /// The HTTP status.
    #[schema(example = 400)]
    status: u16,
    /// Whether the same request may be sent again.
    retry: RetryBody,
    /// What is wrong with this request, and what would be right.
    detail: Option<String>,
}

/// `never`: it would be answered so again, but by then there may be more in the log. `later`: as it
/// is, after `Retry-After`.
#[derive(ToSchema)]
#[schema(as = Retry, rename_all = "kebab-case")]
#[expect(dead_code, reason = "http_chassis::problem::Retry, as the document shows it")]
pub(crate) enum RetryBody {
    Never,
    Later,
    SameKey,
}

/// What is asked for is not there, as far as the log has been read.
#[derive(ToSchema)]
#[schema(as = NotFoundProblem)]
#[expect(dead_code, reason = "crate::problems::NotFound, as the document shows it")]
pub(crate) struct NotFoundBody {
    /// `urn:orderflow:problem:order-not-found` or `urn:orderflow:problem:product-not-found`.
    #[schema(rename = "type", example = "urn:orderflow:problem:order-not-found")]
    kind: String,
    /// The kind in a few words.
    #[schema(example = "Order not found")]
    title: String,
    /// The HTTP status.
    #[schema(example = 404)]
    status: u16,
    /// Whether the same request may be sent again.
    retry: RetryBody,
    /// What is wrong with this request, and what would be right.
    detail: Option<String>,
    /// Whether the `Order-Min-Position` is not reached: it may come yet.
    stale: bool,
    /// Only of an order that was taken and could not be applied: what became of it.
    #[schema(required = false)]
    parked: Option<Parked>,
    /// The last record that is applied, of the partition asked about or of each.
    #[schema(example = json!(["orders:3@41"]))]
    positions: Vec<String>,
}

/// An order that is not there.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only the document names it")]
pub(crate) enum OrderNotFoundProblem {
    /// `order-not-found`: inventory has not seen the order yet, or there is none, or it could not be
    /// applied and `parked` says what became of it. With Retry-After where the `Order-Min-Position` is not
    /// reached.
    #[response(status = 404, content_type = "application/problem+json")]
    NotFound(#[to_schema] NotFoundBody),
}

/// A product that is not there.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only the document names it")]
pub(crate) enum ProductNotFoundProblem {
    /// `product-not-found`: the product has not been seen yet, or there is none. With Retry-After
    /// where the `Order-Min-Position` is not reached.
    #[response(status = 404, content_type = "application/problem+json")]
    NotFound(#[to_schema] NotFoundBody),
}

/// What every operation may answer.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only the document names them")]
pub(crate) enum RequestProblems {
    /// `invalid-path`: the id in the path cannot be read. `invalid-header`: the Order-Min-Position
    /// cannot be read. `invalid-query`: a parameter is unknown or beyond its limits.
    #[response(status = 400, content_type = "application/problem+json")]
    Malformed(#[to_schema] ProblemBody),
    /// `defect`: a defect of the service.
    #[response(status = 500, content_type = "application/problem+json")]
    Defect(#[to_schema] ProblemBody),
    /// `database-unavailable`, `overloaded`: each with Retry-After.
    #[response(
        status = 503,
        content_type = "application/problem+json",
        headers(("Retry-After" = u32, description = "Seconds after which a retry makes sense.")),
    )]
    Unavailable(#[to_schema] ProblemBody),
}
