//! Writes amounts of money as a locale does. Converts nothing.

use events_schema::Locale;

use crate::isolate;

/// Keeps the sign and the digits in their order within a right-to-left line.
const RIGHT_TO_LEFT_MARK: char = '\u{200f}';
const NO_BREAK_SPACE: char = '\u{a0}';

/// An amount in minor units, as `$1,234.50` or, in Hebrew, `1,234.50 $`.
pub(crate) fn format(amount_minor: i64, currency: &str, locale: Locale) -> String {
    let number = decimal(amount_minor, minor_digits(currency));
    match (locale, symbol(currency)) {
        (Locale::En, Some(symbol)) => format!("{symbol}{number}"),
        (Locale::En, None) => format!("{currency}{NO_BREAK_SPACE}{number}"),
        (Locale::He, symbol) => {
            let unit = symbol.unwrap_or(currency);
            isolate::name(&format!("{RIGHT_TO_LEFT_MARK}{number}{NO_BREAK_SPACE}{unit}"), locale)
        }
    }
}

/// A whole number with thousands set apart, as both locales do.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn decimal(amount_minor: i64, minor_digits: u32) -> String {
    let sign = if amount_minor < 0 { "-" } else { "" };
    let amount = amount_minor.unsigned_abs();
    let unit = 10_u64.pow(minor_digits);
    let whole = grouped(amount / unit);
    match minor_digits {
        0 => format!("{sign}{whole}"),
        width => format!("{sign}{whole}.{:0width$}", amount % unit, width = width as usize),
    }
}

/// A code that is not known any more was taken when orders were asked for less.
fn minor_digits(currency: &str) -> u32 {
    events_schema::currencies::decimals(currency).unwrap_or(2)
}

fn symbol(currency: &str) -> Option<&'static str> {
    match currency {
        "USD" => Some("$"),
        "EUR" => Some("€"),
        "GBP" => Some("£"),
        "ILS" => Some("₪"),
        "JPY" => Some("¥"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_written_as_the_locale_does() {
        let table = [
            (12_345, "CLF", Locale::En, "CLF\u{a0}1.2345"),
            (123_450, "USD", Locale::En, "$1,234.50"),
            (5, "USD", Locale::En, "$0.05"),
            (0, "EUR", Locale::En, "€0.00"),
            (1_234_567, "JPY", Locale::En, "¥1,234,567"),
            (1_500, "KWD", Locale::En, "KWD\u{a0}1.500"),
            (123_450, "ILS", Locale::He, "\u{2068}\u{200f}1,234.50\u{a0}₪\u{2069}"),
            (99_900, "CHF", Locale::He, "\u{2068}\u{200f}999.00\u{a0}CHF\u{2069}"),
            (i64::MAX, "USD", Locale::En, "$92,233,720,368,547,758.07"),
        ];
        for (amount, currency, locale, expected) in table {
            assert_eq!(format(amount, currency, locale), expected);
        }
    }
}
