//! When a mail that was deferred is tried again. Reads no clock and draws no random number.

use std::time::Duration;

use chassis::backoff;
use uuid::Uuid;

/// How patiently mails are tried.
#[derive(Debug, Clone, Copy)]
pub struct Backoff {
    /// After the first attempt; doubled after each further one.
    pub first: Duration,
    /// The longest wait.
    pub longest: Duration,
    /// After so many attempts a mail is given up.
    pub attempts_max: i32,
}

impl Backoff {
    /// The wait after that many attempts, or `None` when it is time to give up; spread by the mail's id.
    pub fn wait(&self, attempts: i32, mail: Uuid) -> Option<Duration> {
        let (high, low) = mail.as_u64_pair();
        let backoff = backoff::Backoff { first: self.first, longest: self.longest };
        let tried = u32::try_from(attempts).unwrap_or_default();
        (attempts < self.attempts_max).then(|| backoff.wait(tried, high ^ low))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BACKOFF: Backoff = Backoff {
        first: Duration::from_secs(30),
        longest: Duration::from_secs(3600),
        attempts_max: 100,
    };

    #[test]
    fn the_wait_doubles_up_to_its_limit_and_ends() {
        let table = [(1, 30), (2, 60), (3, 120), (7, 1920), (8, 3600), (99, 3600)];
        for (attempts, seconds) in table {
            for mail in (0..100).map(|n| Uuid::new_v5(&Uuid::NAMESPACE_OID, &[n])) {
                let wait = BACKOFF.wait(attempts, mail).unwrap().as_secs_f64();
                let ratio = wait / f64::from(seconds);
                assert!((0.8..=1.2).contains(&ratio), "{attempts}: {wait}");
            }
        }
        assert_eq!(BACKOFF.wait(100, Uuid::nil()), None);
    }

    #[test]
    fn mails_deferred_together_come_back_apart() {
        let mails = (0..100).map(|n| Uuid::new_v5(&Uuid::NAMESPACE_OID, &[n]));
        let mut waits: Vec<_> = mails.filter_map(|mail| BACKOFF.wait(3, mail)).collect();
        waits.sort();
        let span = waits[waits.len() - 1] - waits[0];
        assert!(span > Duration::from_secs(30), "all within {span:?}");
    }
}
