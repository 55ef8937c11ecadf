//! From what a client asked for to the event that says so. Publishes nothing, reads no clock.

use events_schema::{
    Currency, EventId, EventType, IdempotencyKey, MoneyMinor, OrderId, OrderLine, OrderPlaced,
    Quantity, Sku, Timestamp, limits,
};
use http_chassis::problem::Problem;

use crate::body::Faults;
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

/// The price of each line. All that is done while the catalogue is locked.
pub(crate) fn look_up(request: &OrderRequest, prices: &Prices) -> Vec<Option<Price>> {
    request.lines.iter().map(|(sku, _)| prices.get(sku).copied()).collect()
}

/// The event, with the price that was found for each line.
///
/// # Errors
/// With the lines that have no price, or that are sold in another currency than the first.
pub(crate) fn accept(
    request: OrderRequest,
    order_id: OrderId,
    found: Vec<Option<Price>>,
    placed_at: Timestamp,
) -> Result<OrderPlaced, Problem> {
    let OrderRequest { customer_id, lines, contact, locale } = request;
    let found = known(&lines, found)?;
    let currency = one_currency(&found)?;
    let fingerprint = fingerprint::of(&customer_id, &lines, locale);
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

fn known(lines: &[(Sku, Quantity)], found: Vec<Option<Price>>) -> Result<Vec<Price>, Problem> {
    let mut faults = Faults::default();
    for (n, ((sku, _), _)) in lines.iter().zip(&found).enumerate().filter(|(_, (_, p))| p.is_none())
    {
        faults.add(format_args!("/lines/{n}/sku"), format!("there is no product {sku}"));
    }
    let prices: Option<Vec<_>> = found.into_iter().collect();
    prices.ok_or_else(|| faults.of(problems::unknown_sku()))
}

fn one_currency(found: &[Price]) -> Result<Currency, Problem> {
    let first = found.first().map_or(Currency::USD, |price| price.currency);
    let mut faults = Faults::default();
    for (n, price) in found.iter().enumerate().filter(|(_, price)| price.currency != first) {
        let (other, first) = (price.currency.as_str(), first.as_str());
        let detail = format!("is sold in {other}, the first line in {first}");
        faults.add(format_args!("/lines/{n}/sku"), detail);
    }
    match faults.is_empty() {
        true => Ok(first),
        false => Err(faults.of(problems::mixed_currencies())),
    }
}

/// A total that every reader of JSON can read.
fn total(lines: &[OrderLine]) -> Result<MoneyMinor, Problem> {
    let total = lines.iter().try_fold(MoneyMinor::ZERO, |total, line| {
        total.plus(line.unit_price_minor.times(line.quantity)?)
    });
    let max = limits::JSON_INTEGER_MAX;
    total.filter(|total| total.get() <= max).ok_or_else(|| {
        let why = format!("the order's total must be at most {max} minor units");
        problems::invalid_body().fault("/lines", why)
    })
}
