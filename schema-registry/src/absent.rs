//! Ids that the registry does not know, remembered for a while: a flood of poison records must not
//! be a flood of questions. Asks nobody.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use events_schema::wire::SchemaId;

/// An id that is given out later is known after so long.
const REMEMBERED: Duration = Duration::from_secs(30);
/// A sender can make up as many ids as it likes.
const IDS_MAX: usize = 1_000;

/// The ids, and when the registry said so.
#[derive(Default)]
pub(super) struct Absent(Mutex<HashMap<SchemaId, Instant>>);

impl Absent {
    pub(super) fn holds(&self, id: SchemaId) -> bool {
        let ids = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        ids.get(&id).is_some_and(|since| since.elapsed() < REMEMBERED)
    }

    pub(super) fn note(&self, id: SchemaId) {
        let mut ids = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if ids.len() >= IDS_MAX {
            ids.clear();
        }
        ids.insert(id, Instant::now());
    }
}
