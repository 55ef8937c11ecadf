//! Renders a mail's subject, text and HTML. Sends nothing and reads no table.

use std::collections::HashMap;

use events_schema::{Locale, OrderId, OrderLine, Shortage};
use minijinja::{AutoEscape, Environment, context};
use serde::Serialize;

use crate::decide::MailKind;
use crate::isolate;
use crate::money;
use crate::words::{Words, words};

/// What a mail is about.
#[derive(Debug)]
pub(crate) struct Topic<'a> {
    pub(crate) order_id: OrderId,
    pub(crate) kind: MailKind,
    pub(crate) locale: Locale,
    pub(crate) name: &'a str,
    pub(crate) currency: &'a str,
    pub(crate) total_minor: i64,
    pub(crate) lines: &'a [OrderLine],
    pub(crate) shortages: &'a [Shortage],
    /// Names of products by SKU; where one is not known, the SKU stands for it.
    pub(crate) product_names: &'a HashMap<String, String>,
}

/// A mail in words.
#[derive(Debug)]
pub(crate) struct Rendered {
    pub(crate) subject: String,
    pub(crate) text: String,
    pub(crate) html: String,
}

/// The templates, parsed once per process.
#[derive(Debug)]
pub(crate) struct Templates(Environment<'static>);

impl Templates {
    /// Parses them.
    pub(crate) fn new() -> Result<Self, minijinja::Error> {
        let mut environment = Environment::new();
        environment.set_auto_escape_callback(|name| match name.ends_with(".html") {
            true => AutoEscape::Html,
            false => AutoEscape::None,
        });
        environment.set_keep_trailing_newline(true);
        environment.add_template("mail.txt", include_str!("../templates/mail.txt"))?;
        environment.add_template("mail.html", include_str!("../templates/mail.html"))?;
        Ok(Self(environment))
    }

    /// Renders one mail.
    pub(crate) fn render(&self, topic: &Topic<'_>) -> Result<Rendered, minijinja::Error> {
        let words = words(topic.locale, topic.kind, &short_number(topic.order_id), topic.name);
        let page = Page::of(topic, &words);
        let render =
            |template| self.0.get_template(template)?.render(context! { ..context(&page) });
        Ok(Rendered {
            text: render("mail.txt")?,
            html: render("mail.html")?,
            subject: words.subject,
        })
    }
}

fn context(page: &Page<'_>) -> minijinja::Value {
    minijinja::Value::from_serialize(page)
}

/// The last eight digits of the order's id: enough for a person to tell their orders apart.
fn short_number(order: OrderId) -> String {
    let id = order.uuid().simple().to_string();
    id.get(24..).unwrap_or(&id).to_owned()
}

#[derive(Serialize)]
struct Page<'a> {
    words: &'a Words,
    language: &'static str,
    order_id: String,
    lines: Vec<Line>,
    shortages: Vec<Short>,
    total: String,
}

#[derive(Serialize)]
struct Line {
    name: String,
    quantity: String,
    price: String,
    sum: String,
}

#[derive(Serialize)]
struct Short {
    name: String,
    requested: String,
    available: String,
}

impl<'a> Page<'a> {
    fn of(topic: &Topic<'a>, words: &'a Words) -> Self {
        let locale = topic.locale;
        let amount = |minor| money::format(minor, topic.currency, locale);
        let count = |units| isolate::number(&count(units), locale);
        let name = |sku: &str| {
            isolate::name(topic.product_names.get(sku).map_or(sku, String::as_str), locale)
        };
        let line = |line: &OrderLine| Line {
            name: name(line.sku.as_str()),
            quantity: count(line.quantity.get()),
            price: amount(line.unit_price_minor.get()),
            sum: amount(line.unit_price_minor.get().saturating_mul(line.quantity.get().into())),
        };
        let short = |shortage: &Shortage| Short {
            name: name(shortage.sku.as_str()),
            requested: count(shortage.requested),
            available: count(shortage.available),
        };
        Self {
            words,
            language: topic.locale.as_str(),
            order_id: isolate::number(&topic.order_id.to_string(), locale),
            lines: topic.lines.iter().map(line).collect(),
            shortages: topic.shortages.iter().map(short).collect(),
            total: amount(topic.total_minor),
        }
    }
}

/// Units are never negative in an event; a broken one reads 0.
fn count(units: i32) -> String {
    money::grouped(u64::try_from(units).unwrap_or_default())
}

#[cfg(test)]
#[path = "template_tests.rs"]
mod tests;
