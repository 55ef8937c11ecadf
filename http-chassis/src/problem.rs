//! Errors over HTTP as RFC 9457 problem details. Says nothing of what went wrong inside.

use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, HeaderName, HeaderValue, RETRY_AFTER};
use actix_web::{HttpRequest, HttpResponse, ResponseError};
use serde::Serialize;
use utoipa::ToSchema;

/// An answer that is no success (RFC 9457).
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Problem {
    /// `urn:orderflow:problem:` and a word that never changes.
    #[serde(rename = "type")]
    #[schema(value_type = String, example = "urn:orderflow:problem:invalid-header")]
    pub kind: Box<str>,
    /// The kind in a few words.
    #[schema(value_type = String, example = "A header cannot be read")]
    pub title: &'static str,
    /// The HTTP status.
    #[schema(example = 400)]
    pub status: u16,
    /// Whether the same request may be sent again.
    pub retry: Retry,
    /// What is wrong with this request, and what would be right.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub detail: Option<Box<str>>,
    /// What is wrong in the body, where it is the body.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<Fault>,
    /// Where orders are placed: the order that the request means, where it may have been placed: by this
    /// request (`outcome-unknown`) or by an earlier one under its Idempotency-Key. The Location says
    /// where it is then.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = Uuid)]
    pub order_id: Option<Box<str>>,
    /// More headers of the answer.
    #[serde(skip)]
    #[schema(ignore)]
    pub headers: Vec<(HeaderName, HeaderValue)>,
}

/// `never`: it would be refused again; where something was not there, by then there may be more in the
/// log. `later`: as it is, after `Retry-After` where there is one: nothing was accepted, or a
/// repetition changes nothing. `same-key`: it may have been accepted; send it again only under the same
/// Idempotency-Key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Retry {
    /// It would be refused again.
    Never,
    /// It may, as it is.
    Later,
    /// Only under the same Idempotency-Key.
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Fault {
    /// Where: a JSON pointer (RFC 6901), empty for the whole body.
    #[schema(example = "/lines/0/quantity")]
    pub pointer: String,
    /// Why.
    #[schema(example = "quantity must be 1 to 1000000")]
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
