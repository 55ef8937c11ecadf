//! Reads what `load` wrote down: when which order was acknowledged. Writes nothing.

use std::collections::HashMap;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use anyhow::Context;
use serde::Deserialize;
use uuid::Uuid;

use crate::ledger::each_line;

/// The orders of a ledger with the moment, in microseconds, of their first acknowledgement.
pub(crate) type Acknowledged = HashMap<Uuid, i64>;

#[derive(Deserialize)]
struct Line {
    order_id: Uuid,
    acknowledged_at_micros: i64,
}

/// Reads the file.
pub(crate) fn read(path: &Path) -> anyhow::Result<Acknowledged> {
    let file = File::open(path);
    let file = file.with_context(|| format!("could not open the ledger {}", path.display()))?;
    let mut found = Acknowledged::new();
    each_line(BufReader::new(file), |line| {
        let line: Line = serde_json::from_slice(line).ok()?;
        let at = found.entry(line.order_id).or_insert(line.acknowledged_at_micros);
        *at = line.acknowledged_at_micros.min(*at);
        Some(())
    })?;
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_counts_from_its_first_acknowledgement_and_half_a_line_does_not() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let line = |at: i64| {
            let id = Uuid::nil();
            format!("{{\"order_id\":\"{id}\",\"basket\":\"b\",\"acknowledged_at_micros\":{at}}}")
        };
        std::fs::write(file.path(), format!("{}\n{}\n{{\"order", line(9), line(12))).unwrap();
        assert_eq!(read(file.path()).unwrap(), HashMap::from([(Uuid::nil(), 9)]));
    }
}
