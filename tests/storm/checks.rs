//! What must hold after a storm, each in a check of its own. Waits for nothing and kills nobody.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use harness::{Deployment, Mails, Violation, ensure};
use serde_json::Value;

/// What the checks look at.
pub(crate) struct Evidence<'a> {
    deployment: &'a Deployment,
    /// Of the sender, which no other deployment has.
    domain: &'a str,
    /// The acknowledged orders, and whether their cancellation was acknowledged too.
    acknowledged: BTreeMap<String, bool>,
}

impl<'a> Evidence<'a> {
    /// From the lines of a ledger; a cancellation may have a line of its own.
    pub(crate) fn of(deployment: &'a Deployment, domain: &'a str, ledger: &[Value]) -> Self {
        let mut acknowledged = BTreeMap::new();
        for line in ledger {
            let cancelled = line["cancel_position"].is_string();
            let order = line["order_id"].as_str().unwrap().to_owned();
            *acknowledged.entry(order).or_default() |= cancelled;
        }
        Self { deployment, domain, acknowledged }
    }

    fn orders(&self) -> Vec<&str> {
        self.acknowledged.keys().map(String::as_str).collect()
    }

    async fn count(&self, query: &'static str, orders: &[&str]) -> i64 {
        let counted = sqlx::query_scalar(query).bind(orders);
        counted.fetch_one(&self.deployment.pool).await.unwrap()
    }
}

/// Nothing is poison.
pub(crate) async fn nothing_parked(evidence: &Evidence<'_>) -> Result<(), Violation> {
    let parked =
        "SELECT (SELECT count(*) FROM inventory.parked) + (SELECT count(*) FROM analytics.parked)
        + (SELECT count(*) FROM \"confirmation-email\".parked)";
    let parked = evidence.deployment.number(parked).await;
    ensure(parked == 0, format!("{parked} records are parked"))
}

/// Every acknowledged order is known to every projection and has an outcome.
pub(crate) async fn nothing_lost(evidence: &Evidence<'_>) -> Result<(), Violation> {
    let lost = "SELECT count(*) FROM unnest($1::text[]) AS acknowledged (id)
        LEFT JOIN inventory.orders AS i ON i.order_id = id::uuid AND i.decided_at IS NOT NULL
        LEFT JOIN analytics.orders AS a ON a.order_id = id::uuid AND a.placed_at IS NOT NULL
        LEFT JOIN \"confirmation-email\".orders AS m ON m.order_id = id::uuid
        WHERE i.order_id IS NULL OR a.order_id IS NULL OR m.order_id IS NULL";
    let lost = evidence.count(lost, &evidence.orders()).await;
    ensure(lost == 0, format!("{lost} acknowledged orders are unknown or undecided"))
}

/// Orders are the acknowledged and no others, and are sold once: in both projections that count.
pub(crate) async fn nothing_doubled(evidence: &Evidence<'_>) -> Result<(), Violation> {
    let numbers = "SELECT ARRAY[
        (SELECT count(*) FROM inventory.orders), (SELECT count(*) FROM analytics.orders),
        (SELECT coalesce(sum(orders), 0) FROM analytics.customers)::bigint]";
    let numbers: Vec<i64> =
        sqlx::query_scalar(numbers).fetch_one(&evidence.deployment.pool).await.unwrap();
    let acknowledged = evidence.acknowledged.len() as i64;
    let same = numbers.iter().all(|number| *number == acknowledged);
    ensure(same, format!("of {acknowledged} acknowledged orders there are {numbers:?}"))?;
    let sold = "SELECT (SELECT coalesce(sum(units), 0) FROM analytics.hourly_sales)::bigint
        - (SELECT coalesce(sum(quantity), 0) FROM inventory.order_lines
           JOIN inventory.orders USING (order_id) WHERE status = 'confirmed')::bigint";
    let more = evidence.deployment.number(sold).await;
    ensure(more == 0, format!("analytics counts {more} more units as sold than inventory sold"))
}

/// Whoever cancelled is cancelled, unless it was rejected, and nobody else. A cancellation that came
/// before its order would leave one that was never decided. Times say nothing: clocks step.
pub(crate) async fn nothing_out_of_order(evidence: &Evidence<'_>) -> Result<(), Violation> {
    let cancelled = evidence.acknowledged.iter().filter(|(_, cancelled)| **cancelled);
    let cancelled: Vec<&str> = cancelled.map(|(order, _)| order.as_str()).collect();
    let wrong = "SELECT count(*) FROM inventory.orders
        WHERE CASE WHEN order_id::text = ANY($1) THEN status = 'confirmed'
                   ELSE status = 'cancelled' END
           OR placed_at IS NULL OR decided_at IS NULL";
    let wrong = evidence.count(wrong, &cancelled).await;
    ensure(wrong == 0, format!("{wrong} orders did not go from placed to decided to cancelled"))?;
    ensure(!cancelled.is_empty(), "nothing was cancelled: the load is too small")
}

/// Of every SKU, received = sold + on the shelf, and that is not less than nothing.
pub(crate) async fn nothing_oversold(evidence: &Evidence<'_>) -> Result<(), Violation> {
    let wrong = "SELECT count(*) FROM inventory.stock
        LEFT JOIN (SELECT sku, sum(delta) AS received FROM inventory.stock_receipts GROUP BY sku)
            AS receipts USING (sku)
        LEFT JOIN (SELECT sku, sum(quantity) AS sold FROM inventory.order_lines
                   JOIN inventory.orders USING (order_id) WHERE status = 'confirmed' GROUP BY sku)
            AS sales USING (sku)
        WHERE available < 0 OR coalesce(received, 0) <> coalesce(sold, 0) + available";
    let wrong = evidence.deployment.number(wrong).await;
    ensure(wrong == 0, format!("{wrong} SKUs: received is not sold + on the shelf"))
}

/// How many mails may have ended otherwise than `sent`.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Excused {
    /// A courier died or heard no answer.
    pub(crate) unknown: usize,
    /// The mail server refused them for good.
    pub(crate) bounced: usize,
}

/// Every outcome has one mail, or one that is excused.
pub(crate) async fn one_mail(evidence: &Evidence<'_>, excused: Excused) -> Result<(), Violation> {
    let pool = &evidence.deployment.pool;
    let outcomes = "SELECT order_id::text, CASE WHEN shortages = '[]' THEN 'confirmed'
            ELSE 'rejected' END FROM inventory.orders
        UNION ALL SELECT order_id::text, 'cancelled' FROM inventory.orders
        WHERE cancelled_at IS NOT NULL";
    let outcomes: Vec<(String, String)> = sqlx::query_as(outcomes).fetch_all(pool).await.unwrap();
    let rows = "SELECT event_id::text, order_id::text, kind, state
        FROM \"confirmation-email\".mails";
    let rows: Vec<Row> = sqlx::query_as(rows).fetch_all(pool).await.unwrap();
    let (mails, wanted) = (rows.len(), outcomes.len());
    ensure(mails == wanted, format!("{mails} rows of the ledger for {wanted} outcomes"))?;
    let queued: BTreeSet<(&str, &str)> =
        rows.iter().map(|(_, order, kind, _)| (order.as_str(), kind.as_str())).collect();
    let missing = outcomes.iter().find(|(order, kind)| !queued.contains(&(order, kind)));
    ensure(missing.is_none(), format!("an outcome without a mail: {missing:?}"))?;
    taken_once(evidence, &rows).await?;
    let ended = |how: &str| rows.iter().filter(|(_, _, _, state)| state == how).count();
    let (unknown, bounced) = (ended("unknown"), ended("bounced"));
    let few = unknown <= excused.unknown && bounced <= excused.bounced;
    ensure(few, format!("{unknown} mails unknown and {bounced} bounced: more than {excused:?}"))
}

/// Event, order, kind and state.
type Row = (String, String, String, String);

async fn taken_once(evidence: &Evidence<'_>, rows: &[Row]) -> Result<(), Violation> {
    let taken = Mails::of(&evidence.deployment.stack).counts(evidence.domain).await;
    let mut taken: HashMap<&str, usize> =
        taken.iter().map(|(id, count)| (id.split('@').next().unwrap(), *count)).collect();
    for (event_id, _, _, state) in rows {
        let copies = taken.remove(event_id.as_str()).unwrap_or_default();
        let allowed = match state.as_str() {
            "sent" => copies == 1,
            "unknown" => copies <= 1,
            "bounced" => copies == 0,
            _ => false,
        };
        ensure(allowed, format!("mail {event_id} is {state} and was taken {copies} times"))?;
    }
    let strange = taken.into_iter().next();
    ensure(strange.is_none(), format!("a mail that no ledger row knows: {strange:?}"))
}
