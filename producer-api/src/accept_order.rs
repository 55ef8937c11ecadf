//! From what a client asked for to the event that says so. Publishes nothing, reads no clock.

use chassis::problem::Problem;
use events_schema::{
    Currency, EventId, EventType, IdempotencyKey, MoneyMinor, OrderId, OrderLine, OrderPlaced,
    Quantity, Sku, Timestamp,
};

use crate::catalogue::{Price, Prices};
use crate::order_request::OrderRequest;
use crate::{fingerprint, problems};

/// The order that this request means: with a key the same one each time.
pub(crate) fn order_id(request: &OrderRequest, key: Option<&IdempotencyKey>) -> OrderId {
    match key {
        Some(key) => OrderId::for_key(&request.customer_id, key),
        None => OrderId::time_ordered(),
    }
}

/// The event, with the catalogue's prices.
///
/// # Errors
/// With every line whose SKU the catalogue does not have, or that is sold in another currency than
/// the first.
pub(crate) fn accept(
    request: OrderRequest,
    order_id: OrderId,
    prices: &Prices,
    placed_at: Timestamp,
) -> Result<OrderPlaced, Problem> {
    let OrderRequest { customer_id, lines, contact, locale } = request;
    let fingerprint = fingerprint::of(&customer_id, &lines, &contact, locale);
    let found = look_up(&lines, prices)?;
    let currency = one_currency(&found)?;
    let priced = |((sku, quantity), price): ((Sku, Quantity), Price)| OrderLine {
        sku,
        quantity,
        unit_price_minor: price.unit_minor,
    };
    let lines: Vec<_> = lines.into_iter().zip(found).map(priced).collect();
    Ok(OrderPlaced {
        event_id: EventId::of_order(order_id, EventType::OrderPlaced),
        order_id,
        customer_id,
        placed_at,
        currency,
        total_minor: total(&lines)?,
        lines,
        locale,
        contact: Some(contact),
        fingerprint,
    })
}

fn look_up(lines: &[(Sku, Quantity)], prices: &Prices) -> Result<Vec<Price>, Problem> {
    let found: Vec<_> = lines.iter().filter_map(|(sku, _)| prices.get(sku).copied()).collect();
    if found.len() == lines.len() {
        return Ok(found);
    }
    let unknown = lines.iter().enumerate().filter(|(_, (sku, _))| !prices.contains_key(sku));
    let point = |problem: Problem, (n, (sku, _)): (usize, &(Sku, Quantity))| {
        problem.fault(format!("/lines/{n}/sku"), format!("there is no product {sku}"))
    };
    Err(unknown.fold(problems::unknown_sku(), point))
}

fn one_currency(found: &[Price]) -> Result<Currency, Problem> {
    let first = found.first().map_or(Currency::USD, |price| price.currency);
    let others = found.iter().enumerate().filter(|(_, price)| price.currency != first);
    let point = |problem: Option<Problem>, (n, price): (usize, &Price)| {
        let detail =
            format!("is sold in {}, the first line in {}", price.currency.as_str(), first.as_str());
        let problem = problem.unwrap_or_else(problems::mixed_currencies);
        Some(problem.fault(format!("/lines/{n}/sku"), detail))
    };
    match others.fold(None, point) {
        Some(problem) => Err(problem),
        None => Ok(first),
    }
}

/// Within the limits of quantities, prices and lines it always fits.
fn total(lines: &[OrderLine]) -> Result<MoneyMinor, Problem> {
    let total = lines.iter().try_fold(MoneyMinor::ZERO, |total, line| {
        total.plus(line.unit_price_minor.times(line.quantity)?)
    });
    total.ok_or_else(|| problems::invalid_body().fault("/lines", "the order's total is too large"))
}
