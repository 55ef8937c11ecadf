//! Why the registry gave no answer, sorted by what a caller can do.

/// Why the registry gave no answer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum RegistryError {
    /// It is away or does not answer in time: try again later.
    #[error("the schema registry at {url} is not available: {cause}")]
    Unavailable {
        /// Where it was asked.
        url: String,
        /// What the client said.
        cause: String,
    },
    /// It answered that there is no such schema.
    #[error("the schema registry knows no {0}")]
    NotFound(String),
    /// It refused the schema.
    #[error("the schema registry refused {subject}: {cause}")]
    Refused {
        /// Under which subject.
        subject: String,
        /// Its reason.
        cause: String,
    },
}
