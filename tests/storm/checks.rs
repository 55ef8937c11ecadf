//! What must hold after the storm. Waits for nothing and kills nobody.

use std::collections::{BTreeSet, HashMap};

use harness::{Deployment, Mails};
use serde_json::Value;

/// Every acknowledged order of the ledger has exactly one outcome, and those that were to be
/// cancelled hold no stock.
pub(crate) async fn outcomes(deployment: &Deployment, ledger: &[Value]) {
    let acknowledged = ledger.len();
    let parked =
        "SELECT (SELECT count(*) FROM inventory.parked) + (SELECT count(*) FROM analytics.parked)
        + (SELECT count(*) FROM \"confirmation-email\".parked)";
    assert_eq!(deployment.number(parked).await, 0, "nothing is poison");
    let orders = "SELECT count(*) FROM inventory.orders";
    assert_eq!(deployment.number(orders).await, acknowledged as i64, "the acknowledged, no others");
    let decided = "SELECT count(*) FROM inventory.orders WHERE decided_at IS NOT NULL";
    assert_eq!(deployment.number(decided).await, acknowledged as i64, "one outcome per order");
    let cancelled = ledger.iter().filter(|line| line.get("cancel_position").is_some());
    let cancelled: Vec<&str> = cancelled.map(|line| line["order_id"].as_str().unwrap()).collect();
    let wrong: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM inventory.orders
         WHERE CASE WHEN order_id::text = ANY($1) THEN status = 'confirmed'
                    ELSE status = 'cancelled' END",
    )
    .bind(&cancelled)
    .fetch_one(&deployment.pool)
    .await
    .unwrap();
    assert_eq!(wrong, 0, "whoever cancelled is cancelled, unless it was rejected, and nobody else");
    let released = "SELECT count(*) FROM inventory.orders WHERE status = 'cancelled'";
    assert!(deployment.number(released).await > 0, "the storm releases stock");
    let units = "SELECT (SELECT coalesce(sum(delta), 0) FROM inventory.stock_receipts)
        - (SELECT coalesce(sum(available), 0) FROM inventory.stock)
        - (SELECT coalesce(sum(quantity), 0) FROM inventory.order_lines JOIN inventory.orders
           USING (order_id) WHERE status = 'confirmed')";
    let units = format!("SELECT ({units})::bigint");
    assert_eq!(deployment.number(&units).await, 0, "received = sold + on the shelf");
}

/// Every outcome has one mail, or one of which nobody knows; these are no more than the killed
/// couriers had in hand.
pub(crate) async fn mails(deployment: &Deployment, domain: &str, in_killed_hands: usize) {
    let outcomes = "SELECT order_id::text, CASE WHEN shortages = '[]' THEN 'confirmed'
            ELSE 'rejected' END FROM inventory.orders
        UNION ALL SELECT order_id::text, 'cancelled' FROM inventory.orders
        WHERE cancelled_at IS NOT NULL";
    let outcomes: Vec<(String, String)> =
        sqlx::query_as(outcomes).fetch_all(&deployment.pool).await.unwrap();
    let rows: Vec<(String, String, String, String)> = sqlx::query_as(
        "SELECT event_id::text, order_id::text, kind, state FROM \"confirmation-email\".mails",
    )
    .fetch_all(&deployment.pool)
    .await
    .unwrap();
    assert_eq!(rows.len(), outcomes.len(), "one ledger row per outcome");
    let queued: BTreeSet<(&str, &str)> =
        rows.iter().map(|(_, order, kind, _)| (order.as_str(), kind.as_str())).collect();
    let missing = outcomes.iter().find(|(order, kind)| !queued.contains(&(order, kind)));
    assert_eq!(missing, None, "an outcome without a ledger row");

    let taken = Mails::of(&deployment.stack).counts(domain).await;
    let mut taken: HashMap<&str, usize> =
        taken.iter().map(|(id, count)| (id.split('@').next().unwrap(), *count)).collect();
    for (event_id, _, _, state) in &rows {
        let copies = taken.remove(event_id.as_str()).unwrap_or_default();
        let allowed = match state.as_str() {
            "sent" => copies == 1,
            "unknown" => copies <= 1,
            _ => false,
        };
        assert!(allowed, "mail {event_id} is {state} and was taken {copies} times");
    }
    assert_eq!(taken.into_iter().next(), None, "a mail that no ledger row knows");
    let unknown = rows.iter().filter(|(_, _, _, state)| state == "unknown").count();
    assert!(unknown <= in_killed_hands, "{unknown} mails are unknown, at most {in_killed_hands}");
}
