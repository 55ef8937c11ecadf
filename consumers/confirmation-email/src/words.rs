//! What the mails say, by language. Knows no layout: the templates do.

use events_schema::Locale;
use serde::Serialize;

use crate::decide::MailKind;
use crate::isolate;

/// The words of one mail.
#[derive(Debug, Serialize)]
pub(crate) struct Words {
    pub(crate) subject: String,
    /// Of the text: `ltr` or `rtl`.
    pub(crate) direction: &'static str,
    /// What makes a line of plain text run so, where its first letter would not.
    pub(crate) mark: &'static str,
    pub(crate) greeting: String,
    pub(crate) news: &'static str,
    pub(crate) order: &'static str,
    pub(crate) item: &'static str,
    pub(crate) quantity: &'static str,
    pub(crate) price: &'static str,
    pub(crate) sum: &'static str,
    pub(crate) total: &'static str,
    pub(crate) short: &'static str,
    pub(crate) requested: &'static str,
    pub(crate) available: &'static str,
    pub(crate) footer: &'static str,
}

/// The words of a mail about the order with this short number, to the person of this name.
pub(crate) fn words(locale: Locale, kind: MailKind, number: &str, name: &str) -> Words {
    let (number, name) = (&isolate::number(number, locale), &isolate::name(name, locale));
    match locale {
        Locale::En => english(kind, number, name),
        Locale::He => hebrew(kind, number, name),
    }
}

fn english(kind: MailKind, number: &str, name: &str) -> Words {
    let (verb, news) = match kind {
        MailKind::Confirmed => (
            "is confirmed",
            "Thank you for your order. Everything is in stock and reserved for you.",
        ),
        MailKind::Rejected => (
            "could not be filled",
            "We are sorry: not everything you ordered is in stock, so we have not taken the order.",
        ),
        MailKind::Cancelled => ("is cancelled", "As you asked, we have cancelled your order."),
    };
    Words {
        subject: format!("Your order {number} {verb}"),
        direction: "ltr",
        mark: "",
        greeting: format!("Hello {name},"),
        news,
        order: "Order",
        item: "Item",
        quantity: "Quantity",
        price: "Price",
        sum: "Sum",
        total: "Total",
        short: "Not in stock as ordered",
        requested: "Ordered",
        available: "In stock",
        footer: "This mail was sent automatically.",
    }
}

fn hebrew(kind: MailKind, number: &str, name: &str) -> Words {
    let (subject, news) = match kind {
        MailKind::Confirmed => {
            (format!("הזמנה {number} אושרה"), "תודה על ההזמנה. כל הפריטים במלאי ושמורים עבורך.")
        }
        MailKind::Rejected => (
            format!("לא ניתן לספק את הזמנה {number}"),
            "אנו מצטערים: חלק מהפריטים אינם במלאי בכמות המבוקשת, ולכן ההזמנה לא התקבלה.",
        ),
        MailKind::Cancelled => (format!("הזמנה {number} בוטלה"), "ההזמנה בוטלה לבקשתך."),
    };
    Words {
        subject,
        direction: "rtl",
        mark: "\u{200f}",
        greeting: format!("שלום {name},"),
        news,
        order: "הזמנה",
        item: "פריט",
        quantity: "כמות",
        price: "מחיר",
        sum: "סכום",
        total: "סך הכול",
        short: "פריטים שאינם במלאי בכמות המבוקשת",
        requested: "הוזמנו",
        available: "במלאי",
        footer: "הודעה זו נשלחה אוטומטית.",
    }
}
