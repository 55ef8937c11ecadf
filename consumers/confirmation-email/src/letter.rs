//! Makes a mail of a claimed row: addresses, headers, text and HTML. Sends nothing.

use std::time::{Duration, SystemTime};

use events_schema::{Locale, OrderId};
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};
use lettre::{Address, Message};
use uuid::Uuid;

use crate::claim::Claimed;
use crate::decide::MailKind;
use crate::isolate;
use crate::template::{Rendered, Templates, Topic};

/// A mail, ready for the wire.
#[derive(Debug)]
pub(crate) struct Letter {
    pub(crate) from: Address,
    pub(crate) to: Address,
    pub(crate) content: Vec<u8>,
}

/// Why a row cannot become a mail. Never shows an address.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ComposeError {
    #[error("there is nobody to write to")]
    Nobody,
    #[error("the address is none that mail can be sent to")]
    Address,
    #[error("the ledger's row cannot be read: unknown kind of mail")]
    Kind,
    #[error("could not render the template")]
    Template(#[from] minijinja::Error),
    #[error("could not put the mail together")]
    Message(#[from] lettre::error::Error),
}

/// The end of the year 9999: what the Date header can hold.
const LAST_SECOND: u64 = 253_402_300_799;

/// Writes the mail.
pub(crate) fn compose(
    claimed: &Claimed,
    templates: &Templates,
    from: &Mailbox,
) -> Result<Letter, ComposeError> {
    let (Some(name), Some(email)) = (&claimed.name, &claimed.email) else {
        return Err(ComposeError::Nobody);
    };
    let to: Address = email.parse().map_err(|_| ComposeError::Address)?;
    let locale: Locale = claimed.locale.as_deref().unwrap_or_default().parse().unwrap_or_default();
    let rendered = templates.render(&topic(claimed, locale, name)?)?;
    let mailbox = Mailbox::new(Some(isolate::plain(name)), to.clone());
    let message = message(claimed, locale, from, mailbox, rendered)?;
    Ok(Letter { from: from.email.clone(), to, content: message.formatted() })
}

fn topic<'a>(
    claimed: &'a Claimed,
    locale: Locale,
    name: &'a str,
) -> Result<Topic<'a>, ComposeError> {
    Ok(Topic {
        order_id: OrderId::from(claimed.order_id),
        kind: MailKind::parse(&claimed.kind).ok_or(ComposeError::Kind)?,
        locale,
        name,
        currency: claimed.currency.as_deref().unwrap_or_default(),
        total_minor: claimed.total_minor.unwrap_or_default(),
        lines: claimed.lines.as_ref().map_or(&[], |lines| lines.0.as_slice()),
        shortages: &claimed.shortages.0,
        product_names: &claimed.product_names.0,
    })
}

fn message(
    claimed: &Claimed,
    locale: Locale,
    from: &Mailbox,
    to: Mailbox,
    rendered: Rendered,
) -> Result<Message, lettre::error::Error> {
    Message::builder()
        .from(from.clone())
        .to(to)
        .subject(rendered.subject)
        .date(date(claimed.occurred_at.timestamp()))
        .message_id(Some(message_id(claimed, from.email.domain())))
        // Nobody's out-of-office reply should answer it (RFC 3834).
        .raw_header(plain("Auto-Submitted", "auto-generated"))
        .raw_header(plain("Content-Language", locale.as_str()))
        .multipart(MultiPart::alternative_plain_html(rendered.text, rendered.html))
}

/// The same outcome is the same mail, however often a fault makes it go out. Two customers' outcomes
/// of one order id have the same event id, and still are two mails.
fn message_id(claimed: &Claimed, domain: &str) -> String {
    let customer = Uuid::new_v5(&claimed.event_id, claimed.customer_id.as_bytes());
    let (tag, ..) = customer.as_fields();
    format!("<{}@{tag:08x}.{domain}>", claimed.event_id)
}

fn plain(name: &'static str, value: &str) -> HeaderValue {
    HeaderValue::new(HeaderName::new_from_ascii_str(name), value.to_owned())
}

/// Within what the header can hold: a client of Kafka may have written any time.
fn date(seconds: i64) -> SystemTime {
    let seconds = u64::try_from(seconds).unwrap_or_default().min(LAST_SECOND);
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}
