//! What a client may ask for about orders, parsed: whoever holds it need not check it again. Knows
//! no prices.

use std::borrow::Cow;

use events_schema::values::InvalidValue;
use events_schema::{Contact, CustomerId, Locale, Quantity, Sku, Text, border, limits};
use http_chassis::problem::Problem;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::body::{self, Faults};

/// An order that a client asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct OrderRequest {
    pub(crate) customer_id: CustomerId,
    pub(crate) lines: Vec<(Sku, Quantity)>,
    pub(crate) contact: Contact,
    pub(crate) locale: Locale,
}

/// A cancellation that a client asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct CancelRequest {
    pub(crate) customer_id: CustomerId,
    pub(crate) reason: Option<Text<{ limits::REASON_CHARS_MAX }>>,
}

/// Text that is borrowed from the body where it has no escapes.
#[derive(Deserialize)]
#[serde(transparent)]
pub(crate) struct Borrowed<'a>(#[serde(borrow)] pub(crate) Cow<'a, str>);

/// An order to place. Prices and the currency come from the catalogue.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = PlaceOrder, example = json!({
    "customer_id": "household-1",
    "lines": [{"sku": "1082185", "quantity": 2}],
    "contact": {"name": "Dana Levi", "email": "dana@example.com"},
    "locale": "en"
}))]
pub(crate) struct OrderBody<'a> {
    /// An opaque id of the customer, never personal data.
    #[serde(borrow)]
    #[schema(value_type = String, required, min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9._-]+$")]
    customer_id: Option<Borrowed<'a>>,
    /// What is ordered; a SKU may stand in several lines.
    #[serde(borrow)]
    #[schema(value_type = Vec<LineBody>, required, min_items = 1, max_items = 500)]
    lines: Option<Vec<LineBody<'a>>>,
    /// Whom to write to.
    #[serde(borrow)]
    #[schema(value_type = ContactBody, required)]
    contact: Option<ContactBody<'a>>,
    /// Language of the mails; `en` where it is left out.
    #[serde(borrow)]
    #[schema(value_type = Option<LocaleBody>)]
    locale: Option<Borrowed<'a>>,
}

/// One line of an order.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Line)]
pub(crate) struct LineBody<'a> {
    /// What.
    #[serde(borrow)]
    #[schema(value_type = String, required, min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9._-]+$")]
    sku: Option<Borrowed<'a>>,
    /// How many.
    #[schema(value_type = i32, required, minimum = 1, maximum = 1_000_000)]
    quantity: Option<i64>,
}

/// Whom to write to: the only personal data of an order.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Contact)]
pub(crate) struct ContactBody<'a> {
    /// How to address the customer.
    #[serde(borrow)]
    #[schema(schema_with = crate::openapi::text::<{ limits::PERSON_NAME_CHARS_MAX }>, required)]
    name: Option<Borrowed<'a>>,
    /// Where the mails go.
    #[serde(borrow)]
    #[schema(schema_with = crate::openapi::email, required)]
    email: Option<Borrowed<'a>>,
}

/// A language of mails.
#[derive(ToSchema)]
#[schema(as = Locale, rename_all = "lowercase")]
#[expect(dead_code, reason = "only the document names it")]
pub(crate) enum LocaleBody {
    En,
    He,
}

/// A cancellation. This API has no store: the customer, which decides the order's partition, must
/// be in the request.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CancelOrder, example = json!({"customer_id": "household-1", "reason": "ordered twice"}))]
pub(crate) struct CancelBody<'a> {
    /// The customer that the order was, or will be, placed for: a cancellation in another one's
    /// name does not touch it.
    #[serde(borrow)]
    #[schema(value_type = String, required, min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9._-]+$")]
    customer_id: Option<Borrowed<'a>>,
    /// The client's own words.
    #[serde(borrow)]
    #[schema(schema_with = crate::openapi::optional_text::<{ limits::REASON_CHARS_MAX }>)]
    reason: Option<Borrowed<'a>>,
}

#[derive(Deserialize)]
struct CustomerOnly<'a> {
    #[serde(borrow)]
    customer_id: Borrowed<'a>,
}

/// Whose order it is, whatever else is wrong with the body.
pub(crate) fn customer_of(json: &[u8]) -> Option<CustomerId> {
    let body: CustomerOnly<'_> = serde_json::from_slice(json).ok()?;
    body.customer_id.0.parse().ok()
}

impl OrderRequest {
    /// Reads the body of a request.
    pub(crate) fn parse(json: &[u8]) -> Result<Self, Problem> {
        let raw: OrderBody<'_> = body::parse(json)?;
        let mut faults = Faults::default();
        let customer_id = customer(&mut faults, raw.customer_id);
        let lines = lines(&mut faults, raw.lines);
        let contact = faults
            .required(format_args!("/contact"), raw.contact, Ok::<_, InvalidValue>)
            .and_then(|raw| contact(&mut faults, raw));
        let locale = match raw.locale {
            Some(tag) => faults.check(format_args!("/locale"), tag.0.parse()),
            None => Some(Locale::En),
        };
        let whole = match (customer_id, lines, contact, locale) {
            (Some(customer_id), Some(lines), Some(contact), Some(locale)) => {
                Some(Self { customer_id, lines, contact, locale })
            }
            _ => None,
        };
        faults.or(whole)
    }
}

impl CancelRequest {
    /// Reads the body of a request.
    pub(crate) fn parse(json: &[u8]) -> Result<Self, Problem> {
        let raw: CancelBody<'_> = body::parse(json)?;
        let mut faults = Faults::default();
        let customer_id = customer(&mut faults, raw.customer_id);
        let reason = raw.reason.map(|reason| border::text(reason.0.into_owned()));
        let reason = faults.check(format_args!("/reason"), reason.transpose());
        let whole = customer_id.zip(reason);
        faults.or(whole.map(|(customer_id, reason)| Self { customer_id, reason }))
    }
}

fn customer(faults: &mut Faults, given: Option<Borrowed<'_>>) -> Option<CustomerId> {
    faults.required(format_args!("/customer_id"), given, |id| id.0.parse())
}

fn lines(faults: &mut Faults, given: Option<Vec<LineBody<'_>>>) -> Option<Vec<(Sku, Quantity)>> {
    let count = |lines: Vec<_>| match lines.len() {
        1..=limits::ORDER_LINES_MAX => Ok(lines),
        _ => Err(format!("an order has 1 to {} lines", limits::ORDER_LINES_MAX)),
    };
    let given = faults.required(format_args!("/lines"), given, count)?;
    let mut lines = Vec::with_capacity(given.len());
    for (n, raw) in given.into_iter().enumerate() {
        let sku = faults.required(format_args!("/lines/{n}/sku"), raw.sku, |sku| sku.0.parse());
        let quantity =
            faults.required(format_args!("/lines/{n}/quantity"), raw.quantity, Quantity::try_from);
        lines.extend(sku.zip(quantity));
    }
    Some(lines)
}

fn contact(faults: &mut Faults, raw: ContactBody<'_>) -> Option<Contact> {
    let name = faults.required(format_args!("/contact/name"), raw.name, |name| {
        border::person_name(name.0.into_owned())
    });
    let email = faults.required(format_args!("/contact/email"), raw.email, |email| {
        border::email(email.0.into_owned())
    });
    name.zip(email).map(|(name, email)| Contact { name, email })
}
