//! The producer-api's process. Everything it does is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    chassis::launch("producer-api", producer_api::run)
}
