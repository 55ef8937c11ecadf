//! The OpenAPI document: what the annotations of the routes do not say. Serves nothing.

use events_schema::{currencies, limits};
use http_chassis::problem::{Fault, Problem, Retry};
use utoipa::openapi::schema::{SchemaType, Type};
use utoipa::openapi::{Object, ObjectBuilder, OneOfBuilder, Schema};
use utoipa::{IntoParams, IntoResponses, OpenApi};

use crate::routes;

/// No character that is refused wherever it stands, and one at least that is no blank. What a
/// pattern cannot say (that what is seen is more than marks, that embeddings end), the words do.
const TEXT: &str = r"^[^\x00-\x1F\x7F-\x9F\u2028\u2029\u202D\u202E\u206A-\u206F\uE000-\uF8FF\uFDD0-\uFDEF\uFFF9-\uFFFB\uFFFE\uFFFF]*[^\s\x00-\x1F\x7F-\x9F\u00AD\u034F\u061C\u115F\u1160\u17B4\u17B5\u180B-\u180F\u200B-\u200F\u2028-\u202E\u2060-\u206F\u2800\u3164\uE000-\uF8FF\uFDD0-\uFDEF\uFE00-\uFE0F\uFEFF\uFFA0\uFFF9-\uFFFB\uFFFE\uFFFF][^\x00-\x1F\x7F-\x9F\u2028\u2029\u202D\u202E\u206A-\u206F\uE000-\uF8FF\uFDD0-\uFDEF\uFFF9-\uFFFB\uFFFE\uFFFF]*$";
/// A dot-atom, and the name of a domain with a dot.
const EMAIL: &str = r"^[!#-'*+\-/-9=?A-Z^-~]+(\.[!#-'*+\-/-9=?A-Z^-~]+)*@([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$";

/// The document of this build.
pub fn document() -> utoipa::openapi::OpenApi {
    Api::openapi()
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Orderflow producer API",
        description = "Takes orders, products and stock into the log. `202` means that the event is \
            replicated in Kafka; what becomes of it is decided by the consumers, and read at the \
            query API. The API has no store: the same Idempotency-Key is the same order through \
            any number of instances, because the order's id is made of the customer and the key.\n\n\
            Every error is a problem (RFC 9457) whose `type` never changes. Besides what is listed \
            at the operations, a path that does not exist answers `404` \
            (`urn:orderflow:problem:no-such-resource`) and a method that a path does not know `405` \
            (`urn:orderflow:problem:method-not-allowed`, with `Allow`). A head that is no request of \
            HTTP/1.1 answers `400` (`unreadable-head`), one that is too large `431` \
            (`head-too-large`), one that does not come within 5 s `408` (`request-timeout`); the first request of \
            a connection too many is answered `503` (`too-many-connections`). \
            `retry` says whether to send the same request again.\n\n\
            No whole number here is above 9007199254740991 (2^53 - 1): also a reader of JSON that \
            knows only doubles keeps it.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
        contact(name = "Orderflow"),
    ),
    paths(
        routes::orders::place,
        routes::orders::cancel,
        routes::products::put,
        routes::products::delete,
        routes::products::receive_stock,
    ),
    components(schemas(Problem, Fault, Retry)),
    tags(
        (name = "orders", description = "Placing and cancelling orders."),
        (name = "products", description = "The catalogue and the stock."),
    ),
)]
struct Api;

/// What [`events_schema::border::text`] takes.
pub(crate) fn text<const CHARS_MAX: usize>() -> Object {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .min_length(Some(1))
        .max_length(Some(CHARS_MAX))
        .pattern(Some(TEXT))
        .description(Some(
            "One character at least can be seen. Embeddings and isolates of the direction end, and \
             not more than 8 combining marks stand in a row.",
        ))
        .build()
}

/// What [`events_schema::border::currency`] takes.
pub(crate) fn currency() -> Object {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .enum_values(Some(currencies::codes()))
        .description(Some("ISO 4217."))
        .build()
}

/// The same, or nothing.
pub(crate) fn optional_text<const CHARS_MAX: usize>() -> Object {
    let mut text = text::<CHARS_MAX>();
    text.schema_type = SchemaType::from_iter([Type::String, Type::Null]);
    text
}

/// What [`events_schema::border::email`] takes: ASCII, and not quoted.
pub(crate) fn email() -> Object {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .max_length(Some(limits::EMAIL_CHARS_MAX))
        .pattern(Some(EMAIL))
        .description(Some(
            "Where the mails go: an e-mail address, with at most 64 characters before the `@`.",
        ))
        .build()
}

/// What [`events_schema::StockDelta`] takes.
pub(crate) fn delta() -> Schema {
    let most = limits::STOCK_DELTA_MAX;
    let range = |from: i32, to: i32| {
        let number = ObjectBuilder::new().schema_type(Type::Integer);
        number.minimum(Some(from)).maximum(Some(to))
    };
    OneOfBuilder::new()
        .item(range(-most, -1))
        .item(range(1, most))
        .description(Some("How many: negative for a write-off, never 0."))
        .build()
        .into()
}

/// Headers that requests may have.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "only the document names them")]
pub(crate) struct RequestHeaders {
    /// Makes a retry the same request: 1 to 128 visible ASCII characters.
    #[param(rename = "Idempotency-Key", value_type = String, required = false, min_length = 1, max_length = 128, pattern = "^[!-~]+$")]
    idempotency_key: Option<String>,
    /// W3C trace context, passed on to the record; a new trace begins where it is missing.
    #[param(value_type = String, required = false)]
    traceparent: Option<String>,
}

/// A header that requests may have.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "only the document names it")]
pub(crate) struct TraceHeader {
    /// W3C trace context, passed on to the record; a new trace begins where it is missing.
    #[param(value_type = String, required = false)]
    traceparent: Option<String>,
}

/// What every operation may answer.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only the document names them")]
pub(crate) enum RequestProblems {
    /// `malformed-json`: the body is no JSON, or has a byte order mark. `unreadable-body`: the body broke off.
    /// `invalid-header`: the Idempotency-Key cannot be read, or stands twice. `invalid-path`: the
    /// id in the path cannot be read.
    #[response(status = 400, content_type = "application/problem+json")]
    Malformed(#[to_schema] Problem),
    /// `request-timeout`: the body did not come in time.
    #[response(status = 408, content_type = "application/problem+json")]
    TooSlow(#[to_schema] Problem),
    /// `body-too-large`: the body has more than 262144 bytes.
    #[response(status = 413, content_type = "application/problem+json")]
    TooLarge(#[to_schema] Problem),
    /// `unsupported-media-type`: the Content-Type is not application/json in UTF-8, or the body
    /// is compressed.
    #[response(status = 415, content_type = "application/problem+json")]
    NotJson(#[to_schema] Problem),
    /// `invalid-body`: the errors point at each value that is missing, unknown or beyond a limit.
    /// `mixed-currencies` (orders only): the errors point at the lines that are not sold in the
    /// currency of the first. With an Idempotency-Key an order's refusal is about a new order only:
    /// see `order_id`.
    #[response(
        status = 422,
        content_type = "application/problem+json",
        headers(("Location" = String, description = "Orders only, with an Idempotency-Key: where an order of an earlier try is.")),
    )]
    Invalid(#[to_schema] Problem),
    /// `defect`: a defect of the service; nothing was accepted.
    #[response(status = 500, content_type = "application/problem+json")]
    Defect(#[to_schema] Problem),
    /// `not-ready`, `queue-full`, `kafka-unavailable`: nothing was accepted. `outcome-unknown`: it
    /// may have been accepted; retry with the same Idempotency-Key. Each with Retry-After.
    #[response(
        status = 503,
        content_type = "application/problem+json",
        headers(
            ("Retry-After" = u32, description = "Seconds after which a retry makes sense."),
            ("Location" = String, description = "Orders only, with an Idempotency-Key or an unknown outcome: where the order is, if it was placed."),
        ),
    )]
    Unavailable(#[to_schema] Problem),
}

/// What only the placing of an order may answer.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only the document names it")]
pub(crate) enum OrderProblems {
    /// `unknown-sku`: the errors point at each line whose SKU the catalogue does not have. With an
    /// Idempotency-Key it is about a new order only: see `order_id`.
    #[response(
        status = 404,
        content_type = "application/problem+json",
        headers(("Location" = String, description = "With an Idempotency-Key: where an order of an earlier try is.")),
    )]
    UnknownSku(#[to_schema] Problem),
}
