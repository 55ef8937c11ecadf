//! The projections by name, for every verb that takes one. Reads nothing of them.

use clap::ValueEnum;
use events_schema::Topic;

/// A projection, which is also a schema and a consumer group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Projection {
    Inventory,
    ConfirmationEmail,
    Analytics,
}

impl Projection {
    pub(crate) const ALL: [Self; 3] = [Self::Inventory, Self::ConfirmationEmail, Self::Analytics];

    /// These, or where none is named, all.
    pub(crate) fn these(named: &[Self]) -> Vec<Self> {
        if named.is_empty() { Self::ALL.to_vec() } else { named.to_vec() }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Inventory => "inventory",
            Self::ConfirmationEmail => "confirmation-email",
            Self::Analytics => "analytics",
        }
    }

    /// The topics that it folds.
    pub(crate) fn topics(self) -> &'static [Topic] {
        match self {
            Self::Inventory => &Topic::ALL,
            Self::ConfirmationEmail | Self::Analytics => &[Topic::Orders, Topic::Products],
        }
    }
}
