//! The query-api's process. Everything it does is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    chassis::launch("query-api", query_api::run)
}
