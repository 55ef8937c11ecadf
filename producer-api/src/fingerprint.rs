//! A hash of what a client asked for, which tells a retry from another order under the same key.
//! Prices are not part of it: they may change between a request and its retry.

use events_schema::{Contact, CustomerId, Locale, Quantity, Sku};
use sha2::{Digest, Sha256};

/// The first eight bytes of the SHA-256 of a form in which no two requests look alike. Part of the
/// contract: instances of different builds must agree on it.
pub(crate) fn of(
    customer: &CustomerId,
    lines: &[(Sku, Quantity)],
    contact: &Contact,
    locale: Locale,
) -> i64 {
    let mut hash = Sha256::new();
    text(&mut hash, customer.as_str());
    hash.update((lines.len() as u32).to_be_bytes());
    for (sku, quantity) in lines {
        text(&mut hash, sku.as_str());
        hash.update(quantity.get().to_be_bytes());
    }
    text(&mut hash, contact.name.as_str());
    text(&mut hash, contact.email.as_str());
    text(&mut hash, locale.as_str());
    let digest = hash.finalize();
    digest.iter().take(8).fold(0, |number, byte| (number << 8) | i64::from(*byte))
}

/// Preceded by its length, so that what belongs to one text cannot slide into the next.
fn text(hash: &mut Sha256, text: &str) {
    hash.update((text.len() as u32).to_be_bytes());
    hash.update(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use events_schema::{EmailAddress, PersonName};

    use super::*;

    fn contact(name: &str, email: &str) -> Contact {
        Contact {
            name: PersonName::try_from(name.to_owned()).unwrap(),
            email: EmailAddress::try_from(email.to_owned()).unwrap(),
        }
    }

    fn fingerprint(customer: &str, lines: &[(&str, i64)], name: &str, locale: Locale) -> i64 {
        let lines: Vec<_> = lines
            .iter()
            .map(|(sku, n)| (sku.parse().unwrap(), Quantity::try_from(*n).unwrap()))
            .collect();
        of(&customer.parse().unwrap(), &lines, &contact(name, "dana@example.com"), locale)
    }

    #[test]
    fn the_form_never_changes() {
        let number = fingerprint("c1", &[("a", 1), ("b", 2)], "Dana", Locale::En);
        assert_eq!(number, 6_660_753_741_548_761_254);
    }

    #[test]
    fn every_part_of_the_request_counts() {
        let original = fingerprint("c1", &[("a", 1), ("b", 2)], "Dana", Locale::En);
        let others = [
            fingerprint("c2", &[("a", 1), ("b", 2)], "Dana", Locale::En),
            fingerprint("c1", &[("a", 1), ("b", 3)], "Dana", Locale::En),
            fingerprint("c1", &[("a", 1)], "Dana", Locale::En),
            fingerprint("c1", &[("b", 2), ("a", 1)], "Dana", Locale::En),
            fingerprint("c1", &[("a", 1), ("b", 2)], "Dan", Locale::En),
            fingerprint("c1", &[("a", 1), ("b", 2)], "Dana", Locale::He),
        ];
        assert!(others.iter().all(|other| *other != original), "{original} in {others:?}");
    }
}
