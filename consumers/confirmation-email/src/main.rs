//! The process of the confirmation e-mails: the projection, and the couriers beside it. Decides
//! nothing.

use std::process::ExitCode;

use confirmation_email::{ConfirmationEmail, TABLES, courier};

fn main() -> ExitCode {
    runtime::main_with::<ConfirmationEmail, _, _>(TABLES, courier::run)
}
