//! What is taken from a client, where the log has more: values that were written before a rule was
//! known are read for ever, and none is added. Does no I/O.

use crate::readable::Unreadable;
use crate::values::{InvalidValue, refuse};
use crate::{Currency, EmailAddress, PersonName, Text, currencies, readable};

/// Most characters of a label of a domain (RFC 1035, 2.3.4).
const LABEL_CHARS_MAX: usize = 63;

/// A text that can be read, and that leaves the text around it as it is.
///
/// # Errors
/// When it has too many characters, none to be seen, or one that is none for a line of text.
pub fn text<const MAX: usize>(text: String) -> Result<Text<MAX>, InvalidValue> {
    let text = Text::try_from(text)?;
    check(text.as_str())?;
    Ok(text)
}

/// A person's name: a text as above.
///
/// # Errors
/// As there.
pub fn person_name(name: String) -> Result<PersonName, InvalidValue> {
    let name = PersonName::try_from(name)?;
    check(name.as_str())?;
    Ok(name)
}

fn check(text: &str) -> Result<(), InvalidValue> {
    match readable::check(text) {
        Ok(()) => Ok(()),
        Err(Unreadable::Nothing) => refuse("text must have a character that can be seen"),
        Err(Unreadable::Character(c)) => {
            refuse(format!("text must not have U+{:04X}", u32::from(c)))
        }
        Err(Unreadable::Unbalanced) => refuse(
            "text must end what it begins: each U+202A or U+202B needs its U+202C, each U+2066 to \
             U+2068 its U+2069",
        ),
        Err(Unreadable::Marks) => refuse(format!(
            "text must not have more than {} combining marks in a row",
            readable::MARKS_MAX
        )),
    }
}

/// An e-mail address that a mail server can be told: RFC 5321 for its length and the part before
/// the `@`, RFC 1035 for the domain, which has a dot, as every domain that gets mail has.
///
/// # Errors
/// When it is none.
pub fn email(text: String) -> Result<EmailAddress, InvalidValue> {
    let address = EmailAddress::try_from(text)?;
    let domain = address.as_str().split_once('@').map_or("", |(_, domain)| domain);
    if !domain.contains('.') {
        return refuse("e-mail must have a domain with a dot, like example.com");
    }
    if domain.split('.').any(|label| label.len() > LABEL_CHARS_MAX) {
        return refuse(format!(
            "e-mail: no part of a domain has more than {LABEL_CHARS_MAX} letters"
        ));
    }
    if !domain.split('.').all(is_label) {
        return refuse("e-mail: each part of a domain is letters, digits and hyphens within");
    }
    let top = domain.rsplit('.').next().unwrap_or_default();
    if top.bytes().all(|byte| byte.is_ascii_digit()) {
        return refuse("e-mail must have the name of a domain, not an IP address");
    }
    Ok(address)
}

/// Letters, digits and hyphens, none of these at an end (RFC 1123, 2.1).
fn is_label(label: &str) -> bool {
    let is_within = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    !label.is_empty()
        && label.bytes().all(is_within)
        && !label.starts_with('-')
        && !label.ends_with('-')
}

/// A currency whose decimals are known.
///
/// # Errors
/// When it is none of ISO 4217, or no money of a shop.
pub fn currency(code: &str) -> Result<Currency, InvalidValue> {
    let known = currencies::decimals(code).and_then(|_| code.parse().ok());
    known.map_or_else(|| refuse("currency must be a code of ISO 4217 in use, like USD"), Ok)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_keeps_the_limits_of_its_rfcs() {
        let label = |length: usize| "d".repeat(length);
        let longest = format!("{}@{}.{}.{}.com", label(64), label(63), label(63), label(57));
        assert_eq!(longest.len(), 254);
        for taken in [
            "ada@example.com",
            "a.b+c!#$%&'*/=?^_`{|}~-@x-1.example",
            "ada@3com.com",
            "ada@xn--mnchen-3ya.de",
            "ADA@EXAMPLE.COM",
            &format!("ada@{}.com", label(63)),
            &longest,
        ] {
            assert!(email(taken.to_owned()).is_ok(), "{taken}");
        }
        for refused in [
            &format!("ada@{}.com", label(64)),
            &format!("{}@example.com", label(65)),
            &format!("{longest}m"),
            "ada@example",
            "ada@-example.com",
            "ada@example-.com",
            "ada@example..com",
            "ada@.example.com",
            "ada@example.com.",
            "ada@exa_mple.com",
            "ada@exa*mple.com",
            "ada@192.0.2.1",
            "ada@[192.0.2.1]",
            ".ada@example.com",
            "ada.@example.com",
            "a..da@example.com",
            "\"ada\"@example.com",
            "ada@example.com@example.com",
            "@example.com",
            "ada@",
            "ada b@example.com",
            "ada@example.com\r\nBcc: x@example.com",
            "адa@example.com",
            "ada@müller.de",
            "",
        ] {
            assert!(email(refused.to_owned()).is_err(), "{refused}");
        }
    }

    #[test]
    fn what_was_written_before_the_rules_can_still_be_read() {
        let label = "d".repeat(64);
        assert!(EmailAddress::try_from(format!("ada@{label}.com")).is_ok());
        assert!(PersonName::try_from("\u{200b}".to_owned()).is_ok());
        assert!("XXX".parse::<Currency>().is_ok());
    }

    #[test]
    fn a_text_says_what_is_wrong_with_it() {
        let why = |given: &str| match text::<10>(given.to_owned()) {
            Ok(_) => String::new(),
            Err(error) => error.to_string(),
        };
        assert_eq!(why("Ada"), "");
        assert!(why("\u{200b}").contains("can be seen"));
        assert!(why("a\u{202e}b").contains("U+202E"));
        assert!(why("a\u{2066}b").contains("U+2069"));
        assert!(why(&format!("a{}", "\u{301}".repeat(9))).contains("combining marks"));
        assert!(why("too many letters").contains("10 characters"));
        assert!(why("a\nb").contains("control"), "{}", why("a\nb"));
    }

    #[test]
    fn a_currency_is_one_that_money_can_be_in() {
        assert_eq!(currency("CLF").unwrap().as_str(), "CLF");
        for refused in ["XXX", "XTS", "XAU", "ABC", "usd", "USDX", ""] {
            assert!(currency(refused).is_err(), "{refused}");
        }
    }
}
