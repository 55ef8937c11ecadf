//! How soon after its acknowledgement an order could be read. Knows the ledger and the time at which
//! the order's row was committed, nothing in between.

use hdrhistogram::Histogram;
use serde::Serialize;
use sqlx::PgConnection;
use uuid::Uuid;

use super::ledger::Acknowledged;
use crate::database::answered;

/// One load, from its ledger.
#[derive(Debug, Serialize)]
pub(crate) struct Run {
    pub(crate) acknowledged: usize,
    /// Orders that inventory decided.
    pub(crate) decided: usize,
    /// From the first acknowledgement to the last decision.
    pub(crate) seconds: f64,
    pub(crate) per_second: f64,
    /// Of the orders that were not cancelled since: a cancellation writes the row again.
    pub(crate) visible: Visible,
}

/// From an acknowledgement to the commit of the order's row, in milliseconds.
#[derive(Debug, Serialize)]
pub(crate) struct Visible {
    pub(crate) orders: u64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) max_ms: f64,
}

const COMMITTED: &str = "
    SELECT order_id, status = 'cancelled',
           (extract(epoch FROM pg_xact_commit_timestamp(xmin)) * 1e6)::bigint
    FROM inventory.orders WHERE order_id = ANY($1)";

/// Nothing where the ledger is empty or Postgres does not keep commit times.
pub(crate) async fn read(
    database: &mut PgConnection,
    acknowledged: &Acknowledged,
) -> anyhow::Result<Option<Run>> {
    let tracked: String =
        answered(sqlx::query_scalar("SHOW track_commit_timestamp").fetch_one(&mut *database))
            .await?;
    if tracked != "on" || acknowledged.is_empty() {
        return Ok(None);
    }
    let ids: Vec<Uuid> = acknowledged.keys().copied().collect();
    let rows: Vec<(Uuid, bool, Option<i64>)> =
        answered(sqlx::query_as(COMMITTED).bind(&ids).fetch_all(database)).await?;
    run_of(acknowledged, &rows).map(Some)
}

fn run_of(acknowledged: &Acknowledged, rows: &[(Uuid, bool, Option<i64>)]) -> anyhow::Result<Run> {
    let mut micros = Histogram::<u64>::new(3)?;
    for (id, cancelled, committed) in rows {
        let pair = acknowledged.get(id).zip(*committed).filter(|_| !cancelled);
        if let Some((acknowledged, committed)) = pair {
            // A row can be there before the client has read the answer: at once, then.
            micros.record(u64::try_from(committed - acknowledged).unwrap_or_default())?;
        }
    }
    let first = acknowledged.values().min().copied().unwrap_or_default();
    let last = rows.iter().filter_map(|row| row.2).max().unwrap_or(first);
    let seconds = (last - first).max(1) as f64 / 1e6;
    let at = |quantile| micros.value_at_quantile(quantile) as f64 / 1e3;
    Ok(Run {
        acknowledged: acknowledged.len(),
        decided: rows.len(),
        seconds,
        per_second: rows.len() as f64 / seconds,
        visible: Visible {
            orders: micros.len(),
            p50_ms: at(0.5),
            p99_ms: at(0.99),
            max_ms: micros.max() as f64 / 1e3,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cancelled_order_counts_as_decided_but_not_for_how_soon_it_was_visible() {
        let ids = [1u128, 2, 3].map(Uuid::from_u128);
        let acknowledged = ids.iter().map(|id| (*id, 1_000_000)).collect();
        let rows = [(ids[0], false, Some(1_004_000)), (ids[1], true, Some(2_000_000))];
        let run = run_of(&acknowledged, &rows).unwrap();
        assert_eq!((run.acknowledged, run.decided, run.visible.orders), (3, 2, 1));
        assert!((3.9..4.1).contains(&run.visible.p99_ms), "{:?}", run.visible);
        assert!((0.99..1.01).contains(&run.seconds));
    }
}
