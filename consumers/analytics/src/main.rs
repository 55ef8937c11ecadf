//! The process. Holds nothing of the domain.

use std::process::ExitCode;

fn main() -> ExitCode {
    runtime::main::<analytics::Analytics>(analytics::TABLES)
}
