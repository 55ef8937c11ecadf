//! The inventory process. Everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    runtime::main::<inventory::Inventory>(inventory::TABLES)
}
