//! The kinds of problem that only this API answers with: one function each, so that a kind has one
//! title and one status. Decides nothing.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, ResponseError};
use events_schema::RecordPosition;
use http_chassis::problem::{Problem, Retry};
use http_chassis::problems;
use serde::Serialize;
use utoipa::ToSchema;

use crate::database::Unavailable;
use crate::orders::Parked;

/// The database cannot be asked.
pub(crate) fn unavailable(why: Unavailable) -> Problem {
    let unavailable = StatusCode::SERVICE_UNAVAILABLE;
    match why {
        Unavailable::Down => {
            Problem::new(unavailable, "database-unavailable", "The database is not available")
                .detail("orders and products cannot be read at the moment; nothing is lost")
                .retry_after(2)
        }
        Unavailable::Overloaded => Problem::new(unavailable, "overloaded", "Too much at once")
            .detail("the answer could not be read in time")
            .retry_after(1),
        Unavailable::Defect => problems::defect(),
    }
}

/// What is asked for is not there, as far as the log has been read.
#[derive(Serialize, ToSchema)]
#[schema(as = NotFoundProblem)]
pub(crate) struct NotFound {
    #[serde(flatten)]
    pub(crate) problem: Problem,
    /// Whether the `Order-Min-Position` is not reached: it may come yet.
    pub(crate) stale: bool,
    /// Only of an order that was taken and could not be applied: what became of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    parked: Option<Parked>,
    /// The last record that is applied, of the partition asked about or of each.
    #[schema(example = json!(["orders:3@41"]))]
    pub(crate) positions: Vec<String>,
}

impl NotFound {
    pub(crate) fn order(parked: Option<Parked>, stale: bool, reached: &[RecordPosition]) -> Self {
        let problem = Problem::new(StatusCode::NOT_FOUND, "order-not-found", "Order not found");
        let mut order = Self::new(problem, "order", stale, reached);
        order.parked = parked;
        let detail = match parked {
            None => return order,
            Some(Parked::Waiting) => {
                "the order was taken, but inventory could not apply it and has set it aside \
                 (parked) until an operator has seen to it"
            }
            Some(Parked::GivenUp) => {
                "the order was taken, but inventory could not apply it, and an operator gave it up \
                 (discarded): it will never be applied"
            }
        };
        order.problem = order.problem.detail(detail);
        order
    }

    pub(crate) fn product(stale: bool, reached: &[RecordPosition]) -> Self {
        let problem = Problem::new(StatusCode::NOT_FOUND, "product-not-found", "Product not found");
        Self::new(problem, "product", stale, reached)
    }

    fn new(problem: Problem, what: &str, stale: bool, reached: &[RecordPosition]) -> Self {
        let detail = match stale {
            true => format!("no such {what} yet: the position asked for is not reached"),
            false => format!("no such {what} up to the positions named here"),
        };
        let problem = problem.detail(detail);
        let problem = if stale { problem.retry_after(1).retry(Retry::Later) } else { problem };
        Self {
            problem,
            stale,
            parked: None,
            positions: reached.iter().map(RecordPosition::to_string).collect(),
        }
    }

    /// The problem with its further members.
    pub(crate) fn response(&self) -> HttpResponse {
        let body = serde_json::to_vec(self).unwrap_or_default();
        self.problem.error_response().set_body(actix_web::body::BoxBody::new(body))
    }
}

/// A parameter of the query is unknown or beyond its limits.
pub(crate) fn invalid_query(detail: String) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "invalid-query", "The query cannot be read")
        .detail(detail)
}
