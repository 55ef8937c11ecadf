//! The kinds of problem that both APIs answer with: one function each, so that a kind has one title
//! and one status. Decides nothing.

use actix_web::http::StatusCode;
use chassis::problem::Problem;

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
