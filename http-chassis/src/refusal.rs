//! What is answered to a head that never became a request. Decides nothing about requests.

use std::time::Duration;

use crate::problem::Problem;
use actix_web::http::StatusCode;
use actix_web::http::header::RETRY_AFTER;
use chassis::clock;

use crate::problems;

/// Why there is no request.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Why {
    /// The head did not come in time.
    TooSlow(Duration),
    /// The client sends no more, and the head has no end.
    BrokeOff,
    /// The settings let no more connections in.
    TooManyConnections,
    /// actix refused it.
    Refused(StatusCode),
}

impl Why {
    pub(crate) fn status(self) -> StatusCode {
        match self {
            Self::TooSlow(_) => StatusCode::REQUEST_TIMEOUT,
            Self::BrokeOff => StatusCode::BAD_REQUEST,
            Self::TooManyConnections => StatusCode::SERVICE_UNAVAILABLE,
            Self::Refused(status) => status,
        }
    }

    fn problem(self) -> Problem {
        match self {
            Self::TooSlow(within) => problems::head_too_slow(within),
            Self::BrokeOff => problems::unreadable_head("the head of the request broke off"),
            Self::TooManyConnections => problems::too_many_connections(),
            Self::Refused(StatusCode::BAD_REQUEST) => problems::unreadable_head(
                "the request line or a header is malformed, the Host is missing, there is more than \
                 one length of the body, or it is not HTTP/1.1",
            ),
            Self::Refused(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE) => {
                problems::head_too_large()
            }
            Self::Refused(status) => problems::of_status(status),
        }
    }
}

/// The whole answer, as it goes over the wire.
pub(crate) fn answer(why: Why, cache_control: Option<&str>) -> Vec<u8> {
    let problem = why.problem();
    let body = serde_json::to_string(&problem).unwrap_or_default();
    let cache_control = cache_control.map(|value| format!("cache-control: {value}\r\n"));
    let retry_after = problem.headers.iter().find(|(name, _)| name == RETRY_AFTER);
    let retry_after = retry_after.and_then(|(_, value)| value.to_str().ok());
    let retry_after = retry_after.map(|seconds| format!("retry-after: {seconds}\r\n"));
    format!(
        "HTTP/1.1 {}\r\ncontent-length: {}\r\nconnection: close\r\n{}{}content-type: \
         application/problem+json\r\ndate: {}\r\n\r\n{body}",
        why.status(),
        body.len(),
        cache_control.unwrap_or_default(),
        retry_after.unwrap_or_default(),
        clock::now().format("%a, %d %b %Y %H:%M:%S GMT"),
    )
    .into_bytes()
}

/// More bytes than the head of an answer without a body has.
const BARE_MAX: usize = 256;

/// Where an error without a body begins, which can only be the last thing that actix writes: it
/// answers so for itself (`DispatcherMessage::Error` in actix-http), and none of ours is without.
pub(crate) fn bare(written: &[u8]) -> Option<(usize, StatusCode)> {
    if !written.ends_with(b"\r\n\r\n") {
        return None;
    }
    let from = written.len().saturating_sub(BARE_MAX);
    let tail = written.get(from..)?;
    let at = tail.windows(7).rposition(|part| part == b"HTTP/1.")?;
    let head = tail.get(at..)?;
    let status = StatusCode::from_bytes(head.get(9..12)?).ok()?;
    let has = |part: &[u8]| head.windows(part.len()).any(|found| found == part);
    let is_error = status.is_client_error() || status.is_server_error();
    (is_error && has(b"\r\ncontent-length: 0\r\n") && !has(b"\r\ncontent-type:"))
        .then_some((from + at, status))
}

/// The head of an answer is in this many of its first bytes, as far as it says how it ends.
const LENGTHS_MAX: usize = 256;

/// Whether an answer says that the connection ends with it.
pub(crate) fn is_last(answer: &[u8]) -> bool {
    let head = answer.get(..LENGTHS_MAX).unwrap_or(answer);
    let close = b"\r\nconnection: close\r\n";
    head.windows(close.len()).any(|part| part == close)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BARE: &[u8] =
        b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\ndate: x\r\n\r\n";

    #[test]
    fn an_error_without_a_body_is_found_behind_other_answers_and_nothing_else_is() {
        let ok = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
        let both = [ok.as_slice(), BARE].concat();
        assert_eq!(bare(BARE), Some((0, StatusCode::BAD_REQUEST)));
        assert_eq!(bare(&both), Some((ok.len(), StatusCode::BAD_REQUEST)));
        assert_eq!(bare(ok), None);
        assert_eq!(bare(&[BARE, b"{}"].concat()), None);
        let head = b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\ncontent-type: a/b\r\n\r\n";
        assert_eq!(bare(head), None);
    }

    #[test]
    fn an_answer_is_a_whole_problem() {
        let text = String::from_utf8(answer(Why::BrokeOff, Some("no-store"))).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{head}");
        assert!(head.contains(&format!("content-length: {}\r\n", body.len())), "{head}");
        assert!(head.contains("\r\ncache-control: no-store\r\n"), "{head}");
        let problem: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(problem["type"], "urn:orderflow:problem:unreadable-head");
        assert_eq!((&problem["status"], &problem["retry"]), (&400.into(), &"never".into()));
    }
}
