//! How an operator names the workers of a process. Takes no name: `log/identity.rs` does.

use chassis::settings::{self, SettingsError};
use kafka_client::GroupProtocol;

/// What an operator says of it (`WORKER_ID`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum WorkerId {
    /// The host's name and the first number that no process beside this one has.
    OfHost,
    /// This name; nobody else may have it.
    Named(String),
    /// No name: whoever comes back is a stranger to the group.
    None,
}

/// What Kafka allows, with room for what we add.
const LENGTH_MAX: usize = 200;
impl WorkerId {
    /// Reads `WORKER_ID`. A group of KIP-848 does not let a name return before the session of the
    /// one that was killed is over, so there it must be wished for.
    pub(crate) fn from_env(protocol: GroupProtocol) -> Result<Self, SettingsError> {
        match settings::optional("WORKER_ID") {
            Some(text) => Self::parse(text),
            None if protocol == GroupProtocol::Consumer => Ok(Self::None),
            None => Ok(Self::OfHost),
        }
    }

    pub(crate) fn parse(text: String) -> Result<Self, SettingsError> {
        let expected = "`none`, or at most 200 letters, digits, '.', '_' and '-'";
        match text.as_str() {
            "none" => Ok(Self::None),
            name if is_name(name) => Ok(Self::Named(text)),
            _ => Err(SettingsError::Invalid("WORKER_ID", expected)),
        }
    }
}

/// Whether it can be part of a name of a member.
pub(crate) fn is_name(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    text.len() <= LENGTH_MAX && text.chars().all(fits)
}
