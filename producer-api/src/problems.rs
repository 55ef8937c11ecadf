//! The kinds of problem that only this API answers with: one function each, so that a kind has one
//! title and one status. Decides nothing.

use actix_web::http::StatusCode;
use http_chassis::problem::{Problem, Retry};
use http_chassis::problems;

use crate::publisher::PublishError;

/// The API cannot work yet.
pub(crate) fn not_ready(what: &str) -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "not-ready", "The service is not ready")
        .detail(format!("{what} is not known yet; nothing was accepted"))
        .retry_after(1)
}

/// What to do where the outcome is unknown: for a program, and in words.
pub(crate) type Advice = (Retry, &'static str);

/// The record has no position.
pub(crate) fn unpublished(error: &PublishError, (retry, words): Advice) -> Problem {
    let unavailable = StatusCode::SERVICE_UNAVAILABLE;
    match error {
        PublishError::QueueFull => queue_full(),
        PublishError::Unavailable => {
            Problem::new(unavailable, "kafka-unavailable", "Kafka is not available")
                .detail("no broker takes the request at the moment; it was not accepted")
                .retry_after(2)
        }
        PublishError::Unknown => Problem::new(unavailable, "outcome-unknown", "Outcome unknown")
            .detail(format!("Kafka did not confirm the request in time; {words}"))
            .retry(retry)
            .retry_after(2),
        PublishError::Defect(error) => {
            tracing::error!(%error, "an event could not be encoded");
            problems::defect()
        }
    }
}

/// More is being sent, or waits for Kafka, than the limits let in.
pub(crate) fn queue_full() -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "queue-full", "Too much at once")
        .detail("more requests are being served than fit; this one was not accepted")
        .retry_after(1)
}

/// The body is no JSON.
pub(crate) fn malformed_json(pointer: String, detail: String) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "malformed-json", "The body is not JSON")
        .fault(pointer, detail)
}

/// The body is JSON, but not what is asked for.
pub(crate) fn invalid_body() -> Problem {
    Problem::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        "invalid-body",
        "The body is not what is asked for",
    )
}

/// SKUs that are not in the catalogue.
pub(crate) fn unknown_sku() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "unknown-sku", "Unknown SKU")
        .detail("the catalogue does not have what the errors point at")
}

/// Prices in several currencies.
pub(crate) fn mixed_currencies() -> Problem {
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "mixed-currencies", "Several currencies")
        .detail("all lines of an order must be sold in the same currency")
}

/// The connection broke, or the transfer encoding is wrong.
pub(crate) fn unreadable_body() -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "unreadable-body", "The body could not be read")
}

/// The body has too many bytes.
pub(crate) fn too_large(bytes_max: usize) -> Problem {
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body-too-large", "The body is too large")
        .detail(format!("the body may have at most {bytes_max} bytes"))
}

/// The body is not declared as plain JSON.
pub(crate) fn unsupported_media_type(detail: &str) -> Problem {
    Problem::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "unsupported-media-type",
        "Unsupported media type",
    )
    .detail(detail)
}
