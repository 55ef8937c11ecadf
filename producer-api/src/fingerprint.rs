//! A hash of what a client ordered, which tells a retry from another order under the same key.
//! Prices are not part of it: they may change between a request and its retry. Nor is the contact:
//! the hash stays in the log when the contact is erased, and a name can be guessed.

use events_schema::{CustomerId, Locale, Quantity, Sku};
use sha2::{Digest, Sha256};

/// The first eight bytes of the SHA-256 of a form in which no two requests look alike. Part of the
/// contract: instances of different builds must agree on it.
pub(crate) fn of(customer: &CustomerId, lines: &[(Sku, Quantity)], locale: Locale) -> i64 {
    let mut hash = Sha256::new();
    text(&mut hash, customer.as_str());
    hash.update((lines.len() as u32).to_be_bytes());
    for (sku, quantity) in lines {
        text(&mut hash, sku.as_str());
        hash.update(quantity.get().to_be_bytes());
    }
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
    use super::*;

    fn fingerprint(customer: &str, lines: &[(&str, i64)], locale: Locale) -> i64 {
        let lines: Vec<_> = lines
            .iter()
            .map(|(sku, n)| (sku.parse().unwrap(), Quantity::try_from(*n).unwrap()))
            .collect();
        of(&customer.parse().unwrap(), &lines, locale)
    }

    #[test]
    fn the_form_never_changes() {
        let number = fingerprint("c1", &[("a", 1), ("b", 2)], Locale::En);
        assert_eq!(number, -6_755_671_096_882_102_035);
    }

    #[test]
    fn every_part_of_the_order_counts() {
        let original = fingerprint("c1", &[("a", 1), ("b", 2)], Locale::En);
        let others = [
            fingerprint("c2", &[("a", 1), ("b", 2)], Locale::En),
            fingerprint("c1", &[("a", 1), ("b", 3)], Locale::En),
            fingerprint("c1", &[("a", 1)], Locale::En),
            fingerprint("c1", &[("b", 2), ("a", 1)], Locale::En),
            fingerprint("c1", &[("a", 1), ("b", 2)], Locale::He),
        ];
        assert!(others.iter().all(|other| *other != original), "{original} in {others:?}");
    }
}
