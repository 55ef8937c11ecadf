//! What a client may ask for about products and their stock, parsed. Knows nothing of the
//! catalogue.

use events_schema::{Currency, MoneyMinor, StockDelta, Text, border, limits};
use http_chassis::problem::Problem;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::body::{self, Faults};
use crate::order_request::Borrowed;

/// A product as a client describes it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ProductRequest {
    pub(crate) name: Text<{ limits::PRODUCT_NAME_CHARS_MAX }>,
    pub(crate) department: Text<{ limits::DEPARTMENT_CHARS_MAX }>,
    pub(crate) price_minor: MoneyMinor,
    pub(crate) currency: Currency,
}

/// The whole truth about a product.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = PutProduct, example = json!({
    "name": "Bananas", "department": "Produce", "price_minor": 59, "currency": "USD"
}))]
pub(crate) struct ProductBody<'a> {
    #[serde(borrow)]
    #[schema(schema_with = crate::openapi::text::<{ limits::PRODUCT_NAME_CHARS_MAX }>, required)]
    name: Option<Borrowed<'a>>,
    #[serde(borrow)]
    #[schema(schema_with = crate::openapi::text::<{ limits::DEPARTMENT_CHARS_MAX }>, required)]
    department: Option<Borrowed<'a>>,
    /// Price of one unit in minor units (cents); 0 for a free item.
    #[schema(value_type = i64, required, minimum = 0, maximum = 1_000_000_000)]
    price_minor: Option<i64>,
    /// ISO 4217.
    #[serde(borrow)]
    #[schema(schema_with = crate::openapi::currency, required)]
    currency: Option<Borrowed<'a>>,
}

/// Units that came to the shelf, or left it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ReceiveStock, example = json!({"delta": 100}))]
pub(crate) struct StockBody {
    /// How many: negative for a write-off, never 0.
    #[schema(schema_with = crate::openapi::delta, required)]
    delta: Option<i64>,
}

impl ProductRequest {
    /// Reads the body of a request.
    pub(crate) fn parse(json: &[u8]) -> Result<Self, Problem> {
        let raw: ProductBody<'_> = body::parse(json)?;
        let mut faults = Faults::default();
        let text = |text: Borrowed<'_>| text.0.into_owned();
        let name = faults.required(format_args!("/name"), raw.name, |n| border::text(text(n)));
        let department =
            faults.required(format_args!("/department"), raw.department, |d| border::text(text(d)));
        let price_minor = faults.required(format_args!("/price_minor"), raw.price_minor, price);
        let currency = faults
            .required(format_args!("/currency"), raw.currency, |code| border::currency(&code.0));
        let whole = match (name, department, price_minor, currency) {
            (Some(name), Some(department), Some(price_minor), Some(currency)) => {
                Some(Self { name, department, price_minor, currency })
            }
            _ => None,
        };
        faults.or(whole)
    }
}

fn price(minor: i64) -> Result<MoneyMinor, String> {
    let max = limits::UNIT_PRICE_MINOR_MAX;
    let within = Some(minor).filter(|minor| *minor <= max);
    let price = within.and_then(|minor| MoneyMinor::try_from(minor).ok());
    price.ok_or_else(|| format!("price must be 0 to {max} minor units"))
}

/// Reads the body of a request about stock.
pub(crate) fn parse_stock(json: &[u8]) -> Result<StockDelta, Problem> {
    let raw: StockBody = body::parse(json)?;
    let mut faults = Faults::default();
    let delta = faults.required(format_args!("/delta"), raw.delta, StockDelta::try_from);
    faults.or(delta)
}
