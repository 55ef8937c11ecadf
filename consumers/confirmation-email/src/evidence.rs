//! About us or about them: what refusals of several recipients say together. Pure: knows no ledger
//! and reads no clock.

use std::collections::hash_map::DefaultHasher;
use std::collections::{HashMap, HashSet};
use std::hash::{Hash, Hasher};

use uuid::Uuid;

use crate::smtp::Status;

/// What did not arrive since the server last took a mail. One of one sort may be about a recipient;
/// where they have nothing in common but us, it is about us.
#[derive(Debug, Default)]
pub(crate) struct Evidence {
    sorts: HashMap<Sort, Vec<Refusal>>,
    /// It was found to refuse us, and has taken no mail since.
    about_us: bool,
    /// Sorts that were found to be about us, until the server took a mail of somebody else's.
    refuted: HashSet<Sort>,
}

/// In what way a mail did not arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Sort {
    /// Refused with these numbers, for now or for good.
    Refused(Status),
    /// Nothing was heard before the end of its content.
    Silence,
    /// Nothing was heard of its content: it may have arrived.
    Unheard,
}

/// One mail that did not arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// Of the mail in the ledger.
    pub(crate) claim: Uuid,
    /// To whom; the address itself is nobody's business here.
    recipient: u64,
}

/// What a refusal is found to say.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Finding {
    /// Something about the recipient, or the mail.
    AboutThem,
    /// Something about us: these mails were given up by mistake.
    AboutUs(Vec<Uuid>),
}

/// A server that has more sorts than this has none.
const SORTS_MAX: usize = 16;
/// So many mails of one sort are remembered.
const REFUSALS_MAX: usize = 1000;
/// Which addresses do not exist is what customers get wrong: it takes many to be about us.
const MISSPELT: usize = 10;
/// Refused without a detail.
const UNSPECIFIED: usize = 5;
/// For now, or without a word: greylists, quotas, a connection that breaks.
const FOR_NOW: usize = 5;
/// Policy, routes, protocol, content: of strangers to one another.
const STRANGERS: usize = 3;

impl Refusal {
    pub(crate) fn new(claim: Uuid, address: &str) -> Self {
        let mut hasher = DefaultHasher::new();
        address.to_lowercase().hash(&mut hasher);
        Self { claim, recipient: hasher.finish() }
    }
}

impl Evidence {
    /// Whether the server was found to refuse us, and has taken no mail since.
    pub(crate) fn is_about_us(&self) -> bool {
        self.about_us
    }

    /// The server took a mail: whatever it refused was not about us, or is over. Whether it was
    /// found to be.
    pub(crate) fn taken(&mut self) -> bool {
        let was = std::mem::take(&mut self.about_us);
        if was {
            self.refuted = self.sorts.keys().copied().filter(names_recipient).collect();
        }
        self.sorts.clear();
        was
    }

    /// The server did not take a mail. `again`: it did so before, when that was found to be about us.
    pub(crate) fn refused(&mut self, sort: Sort, refusal: Refusal, again: bool) -> Finding {
        if self.about_us {
            return Finding::AboutUs(Vec::new());
        }
        // It takes others meanwhile, and still not this one.
        if again && self.refuted.contains(&sort) {
            return Finding::AboutThem;
        }
        if self.sorts.len() >= SORTS_MAX && !self.sorts.contains_key(&sort) {
            self.sorts.clear();
        }
        let refusals = self.sorts.entry(sort).or_default();
        if refusals.len() < REFUSALS_MAX {
            refusals.push(refusal);
        }
        let recipients: HashSet<u64> = refusals.iter().map(|known| known.recipient).collect();
        if recipients.len() < strangers(sort) {
            return Finding::AboutThem;
        }
        self.about_us = true;
        let given_up = refusals.iter().map(|known| known.claim);
        Finding::AboutUs(match sort {
            Sort::Refused(status) if status.code >= 500 => {
                given_up.filter(|claim| *claim != refusal.claim).collect()
            }
            // They wait for their next attempt, or nobody knows whether they arrived.
            Sort::Refused(_) | Sort::Silence | Sort::Unheard => Vec::new(),
        })
    }
}

/// How many have nothing in common any more.
fn strangers(sort: Sort) -> usize {
    let Sort::Refused(status) = sort else { return FOR_NOW };
    match (names_recipient(&sort), status.enhanced) {
        (true, Some(_)) => MISSPELT,
        (true, None) => UNSPECIFIED,
        (false, _) if status.code < 500 => FOR_NOW,
        (false, _) => STRANGERS,
    }
}

/// Whether it is what a server says of an address or a mailbox.
fn names_recipient(sort: &Sort) -> bool {
    let Sort::Refused(status) = sort else { return false };
    match status.enhanced {
        Some(enhanced) => matches!(enhanced, (1, 0..=6 | 10) | (2, _)),
        None => matches!(status.code, 450 | 501 | 550..=553),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RELAY_DENIED: Sort = said(554, Some((7, 1)));
    const NO_MAILBOX: Sort = said(550, Some((1, 1)));
    const BARE: Sort = said(550, None);

    const fn said(code: u16, enhanced: Option<(u16, u16)>) -> Sort {
        Sort::Refused(Status { code, enhanced })
    }

    fn refusal(n: usize) -> Refusal {
        Refusal::new(Uuid::from_u128(n as u128), &format!("customer.{n}@example.com"))
    }

    /// How many different recipients in a row are refused until it is found to be about us.
    fn until_about_us(evidence: &mut Evidence, sort: Sort) -> usize {
        let refused = |n: &usize| evidence.refused(sort, refusal(*n), false) != Finding::AboutThem;
        (1..=100).find(refused).unwrap()
    }

    #[test]
    fn refusals_of_one_sort_for_strangers_are_about_us() {
        let table = [
            (RELAY_DENIED, 3),
            (BARE, 5),
            (NO_MAILBOX, 10),
            (said(451, Some((7, 1))), 5),
            (said(452, None), 5),
            (said(421, None), 5),
            (said(450, None), 5),
            (said(452, Some((2, 2))), 10),
            (Sort::Silence, 5),
            (Sort::Unheard, 5),
        ];
        for (sort, count) in table {
            let mut evidence = Evidence::default();
            assert_eq!(until_about_us(&mut evidence, sort), count, "{sort:?}");
            assert!(evidence.is_about_us());
        }
    }

    #[test]
    fn a_mail_given_up_by_mistake_is_named_once() {
        let mut evidence = Evidence::default();
        for n in [1, 2] {
            evidence.refused(RELAY_DENIED, refusal(n), false);
        }
        let mistaken = [1, 2].map(Uuid::from_u128).to_vec();
        let found = evidence.refused(RELAY_DENIED, refusal(3), false);
        assert_eq!(found, Finding::AboutUs(mistaken));
        let more = evidence.refused(RELAY_DENIED, refusal(4), false);
        assert_eq!(more, Finding::AboutUs(vec![]));
    }

    #[test]
    fn one_address_is_no_evidence_however_often_it_is_refused() {
        let mut evidence = Evidence::default();
        for n in 0..100 {
            let same = Refusal::new(Uuid::from_u128(n), "Typo@example.com");
            assert_eq!(evidence.refused(RELAY_DENIED, same, false), Finding::AboutThem);
        }
    }

    #[test]
    fn a_mail_that_is_taken_in_between_makes_it_about_them() {
        let mut evidence = Evidence::default();
        for n in 0..100 {
            assert_eq!(evidence.refused(RELAY_DENIED, refusal(n), false), Finding::AboutThem);
            assert!(!evidence.taken());
        }
    }

    #[test]
    fn refusals_of_different_sorts_do_not_add_up() {
        let mut evidence = Evidence::default();
        for n in 0..60_u16 {
            let sort = said(554, Some((7, n)));
            let found = evidence.refused(sort, refusal(n.into()), false);
            assert_eq!(found, Finding::AboutThem);
        }
    }

    #[test]
    fn a_mailbox_that_does_not_exist_while_others_do_is_given_up_at_last() {
        let mut evidence = Evidence::default();
        until_about_us(&mut evidence, NO_MAILBOX);
        assert!(evidence.taken(), "somebody else's mail");
        for n in 1..=100 {
            assert_eq!(evidence.refused(NO_MAILBOX, refusal(n), true), Finding::AboutThem);
        }
        until_about_us(&mut evidence, RELAY_DENIED);
        assert!(evidence.taken());
        let again = (1..=3).map(|n| evidence.refused(RELAY_DENIED, refusal(n), true));
        assert_ne!(again.last().unwrap(), Finding::AboutThem, "a relay's mood is not theirs");
    }
}
