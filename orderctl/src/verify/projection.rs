//! What each projection heeds and holds. Folds nothing itself.

use events_schema::EventType;

use super::compare::Difference;
use super::row::{Rows, Table};
use super::story::View;
use super::{analytics, confirmation_email, inventory};
pub(super) use crate::projection::Projection;

impl Projection {
    /// Whether a record of this type changes it; of the others it decodes none.
    pub(super) fn heeds(self, event_type: EventType) -> bool {
        match self {
            Self::Inventory => true,
            Self::ConfirmationEmail => {
                !matches!(event_type, EventType::OrderCancelRequested | EventType::StockReceived)
            }
            Self::Analytics => event_type != EventType::StockReceived,
        }
    }

    /// Its tables, each with what it should hold.
    pub(super) fn tables(self, view: View<'_>) -> Vec<(Table, Rows<'_>)> {
        match self {
            Self::Inventory => inventory::tables(view),
            Self::ConfirmationEmail => confirmation_email::tables(view),
            Self::Analytics => analytics::tables(view),
        }
    }

    /// What does not hold of the log as this projection has seen it.
    pub(super) fn broken_invariants(self, view: View<'_>) -> Vec<Difference> {
        match self {
            Self::Inventory => inventory::broken_invariants(view),
            Self::ConfirmationEmail | Self::Analytics => Vec::new(),
        }
    }
}
