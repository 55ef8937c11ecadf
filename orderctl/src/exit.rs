//! How a verb ends: its exit code, and an error as one sentence. Decides no verb's outcome.

use std::process::ExitCode;

use chassis::settings::SettingsError;

/// How a verb that could do its work ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Done; nothing differs.
    Fine,
    /// Something differs or a check failed, and was named.
    Differs,
}

impl Outcome {
    pub(crate) fn code(self) -> ExitCode {
        match self {
            Self::Fine => ExitCode::SUCCESS,
            Self::Differs => ExitCode::from(1),
        }
    }

    /// The worse of two.
    pub(crate) fn and(self, other: Self) -> Self {
        if self == Self::Fine { other } else { self }
    }
}

/// The arguments fit the grammar, but not one another or the deployment.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Usage(pub(crate) String);

/// The log does not hold what was asked for.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Gap(pub(crate) String);

/// The operator ended the work in the middle; says what became of it.
#[derive(Debug, thiserror::Error)]
#[error("interrupted: {0}")]
pub(crate) struct Interrupted(pub(crate) String);

/// Whoever read standard output has gone, as `head` does: the work is done.
#[derive(Debug, thiserror::Error)]
#[error("nobody reads the output any more")]
pub(crate) struct ReaderGone;

/// Says on standard error what went wrong, and returns the exit code for it.
pub(crate) fn report(error: &anyhow::Error) -> ExitCode {
    if error.is::<ReaderGone>() {
        return ExitCode::SUCCESS;
    }
    eprintln!("orderctl: {error:#}");
    ExitCode::from(code_of(error))
}

fn code_of(error: &anyhow::Error) -> u8 {
    if error.is::<Usage>() || error.is::<SettingsError>() {
        2
    } else if error.is::<Gap>() {
        3
    } else if error.is::<Interrupted>() {
        // As a shell says it of a process that SIGINT ended.
        130
    } else {
        4
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kind_of_error_decides_the_exit_code() {
        let missing = anyhow::Error::new(SettingsError::Missing("DATABASE_URL"));
        assert_eq!(code_of(&missing), 2);
        assert_eq!(code_of(&anyhow::Error::new(Gap("gone".into())).context("orders")), 3);
        assert_eq!(code_of(&anyhow::anyhow!("the broker is away")), 4);
        assert_eq!(code_of(&Interrupted("so".into()).into()), 130);
    }

    #[test]
    fn one_difference_makes_the_whole_differ() {
        assert_eq!(Outcome::Fine.and(Outcome::Differs), Outcome::Differs);
        assert_eq!(Outcome::Differs.and(Outcome::Fine), Outcome::Differs);
        assert_eq!(Outcome::Fine.and(Outcome::Fine), Outcome::Fine);
    }
}
