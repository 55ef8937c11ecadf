//! The kinds of problem that both APIs answer with: one function each, so that a kind has one title
//! and one status. Decides nothing.

use std::time::Duration;

use crate::problem::Problem;
use actix_web::http::StatusCode;
use actix_web::http::header::{CONNECTION, HeaderValue};

/// The path's id cannot be read.
pub fn invalid_path(detail: String) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "invalid-path", "The path cannot be read").detail(detail)
}

/// A header cannot be read.
pub fn invalid_header(detail: String) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "invalid-header", "A header cannot be read")
        .detail(detail)
}

/// What only a change of the code can mend. What it is, the log says.
pub fn defect() -> Problem {
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "defect", "A defect of this service")
}

/// What came is no head of a request.
pub fn unreadable_head(detail: &str) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "unreadable-head", "The head cannot be read")
        .detail(detail)
}

/// The head has too many bytes or headers. The limits are actix's.
pub fn head_too_large() -> Problem {
    let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
    Problem::new(status, "head-too-large", "The head is too large")
        .detail("the head may have at most 131072 bytes and 96 headers")
}

/// The head did not come in time.
pub fn head_too_slow(within: Duration) -> Problem {
    too_slow("head", within)
}

/// The body did not come in time.
pub fn body_too_slow(within: Duration) -> Problem {
    too_slow("body", within)
}

/// The settings let no more connections in.
pub fn too_many_connections() -> Problem {
    let status = StatusCode::SERVICE_UNAVAILABLE;
    Problem::new(status, "too-many-connections", "Too many connections")
        .detail("more connections are open than the server lets in; nothing was accepted")
        .retry_after(1)
        .header(CONNECTION, HeaderValue::from_static("close"))
}

fn too_slow(what: &str, within: Duration) -> Problem {
    Problem::new(StatusCode::REQUEST_TIMEOUT, "request-timeout", "The request took too long")
        .detail(format!("the {what} must arrive within {} s", within.as_secs()))
        .header(CONNECTION, HeaderValue::from_static("close"))
}

/// What somebody else's code answers without a word.
pub(crate) fn of_status(status: StatusCode) -> Problem {
    let title = status.canonical_reason().unwrap_or("The request was refused");
    match status {
        StatusCode::INTERNAL_SERVER_ERROR => defect(),
        StatusCode::NOT_FOUND => Problem::new(status, "no-such-resource", "No such resource"),
        status => Problem::new(status, &format!("http-{}", status.as_u16()), title),
    }
}
