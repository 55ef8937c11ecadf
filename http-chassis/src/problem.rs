//! Errors over HTTP as RFC 9457 problem details. Says nothing of what went wrong inside.

use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, HeaderName, HeaderValue, RETRY_AFTER};
use actix_web::{HttpRequest, HttpResponse, ResponseError};
use serde::Serialize;

/// An answer that is no success.
#[derive(Debug, Clone, Serialize)]
pub struct Problem {
    /// `urn:orderflow:problem:` and a word that clients may compare; it never changes.
    #[serde(rename = "type")]
    pub kind: Box<str>,
    /// The kind in a few words.
    pub title: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// Whether to send the request again.
    pub retry: Retry,
    /// What is wrong with this request, and what would be right.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<Box<str>>,
    /// JSON pointers (RFC 6901) to what is wrong in the body, with the reason.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<Fault>,
    /// The order that the request means, where one may be there already.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order_id: Option<Box<str>>,
    /// More headers of the answer.
    #[serde(skip)]
    pub headers: Vec<(HeaderName, HeaderValue)>,
}

/// Whether a client may send the same request again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Retry {
    /// It would be refused again.
    Never,
    /// It may, as it is: nothing was accepted, or a repetition changes nothing.
    Later,
    /// It may have been accepted: only a request with an Idempotency-Key may be sent again, under
    /// the same one.
    SameKey,
}

impl Retry {
    /// Where only the status is known.
    fn of(status: StatusCode) -> Self {
        match status {
            StatusCode::REQUEST_TIMEOUT
            | StatusCode::TOO_MANY_REQUESTS
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT => Self::Later,
            _ => Self::Never,
        }
    }
}

/// One fault of a request's body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// Where: a JSON pointer, empty for the whole body.
    pub pointer: String,
    /// Why.
    pub detail: String,
}

impl Problem {
    /// A problem of this kind (the last word of its `type`).
    pub fn new(status: StatusCode, kind: &str, title: &'static str) -> Self {
        Self {
            kind: format!("urn:orderflow:problem:{kind}").into_boxed_str(),
            title,
            status: status.as_u16(),
            retry: Retry::of(status),
            detail: None,
            errors: Vec::new(),
            order_id: None,
            headers: Vec::new(),
        }
    }

    /// With the particulars.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into().into_boxed_str());
        self
    }

    /// With one more fault of the body.
    #[must_use]
    pub fn fault(mut self, pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        self.errors.push(Fault { pointer: pointer.into(), detail: detail.into() });
        self
    }

    /// With `Retry-After`: seconds after which a retry makes sense.
    #[must_use]
    pub fn retry_after(self, seconds: u32) -> Self {
        self.header(RETRY_AFTER, HeaderValue::from(seconds))
    }

    /// With the order that may be there already.
    #[must_use]
    pub fn order_id(mut self, id: impl Into<String>) -> Self {
        self.order_id = Some(id.into().into_boxed_str());
        self
    }

    /// With another word about a retry than the status has.
    #[must_use]
    pub fn retry(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }

    /// With one more header.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({})", self.title, self.kind)
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status_code());
        for header in &self.headers {
            response.insert_header(header.clone());
        }
        let body = serde_json::to_vec(self).unwrap_or_default();
        response.content_type("application/problem+json").body(body)
    }
}

/// The answer of a path that does not exist.
pub async fn not_found(request: HttpRequest) -> HttpResponse {
    Problem::new(StatusCode::NOT_FOUND, "no-such-resource", "No such resource")
        .detail(format!("there is nothing at {}", request.path()))
        .error_response()
}

/// The path exists, the method does not; `allowed` as the header `Allow` lists them.
pub fn method_not_allowed(method: &str, allowed: &'static str) -> Problem {
    let list = allowed.replace(", ", " and ");
    let are = if list == allowed { "is" } else { "are" };
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", "Method not allowed")
        .detail(format!("{method} is not possible here, {list} {are}"))
        .header(ALLOW, HeaderValue::from_static(allowed))
}
