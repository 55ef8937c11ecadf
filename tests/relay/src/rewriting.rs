//! Bytes that the server sends, and as many that its clients get instead. Knows no protocol.

/// Pairs of what is sent and what arrives, of equal length.
#[derive(Debug, Default)]
pub struct Rewrites(Vec<(Vec<u8>, Vec<u8>)>);

impl Rewrites {
    /// Of these pairs.
    ///
    /// # Panics
    /// When a pair is not of equal length.
    pub fn of(pairs: Vec<(Vec<u8>, Vec<u8>)>) -> Self {
        assert!(pairs.iter().all(|(old, new)| old.len() == new.len()), "as many bytes as before");
        Self(pairs)
    }

    /// Takes what is ready to go on from what has arrived; what may be the beginning of something that
    /// is rewritten stays.
    pub(crate) fn apply(&self, arrived: &mut Vec<u8>) -> Vec<u8> {
        for (old, new) in &self.0 {
            replace(arrived, old, new);
        }
        let ready = arrived.len() - self.begun(arrived);
        arrived.drain(..ready).collect()
    }

    /// How many of the last bytes may be the beginning of what is rewritten.
    fn begun(&self, bytes: &[u8]) -> usize {
        let longest = |(old, _): &(Vec<u8>, Vec<u8>)| {
            let begins =
                |length: &usize| old.get(..*length).is_some_and(|old| bytes.ends_with(old));
            (1..old.len()).rev().find(begins).unwrap_or_default()
        };
        self.0.iter().map(longest).max().unwrap_or_default()
    }
}

/// Puts `new` wherever `old` is; both are of equal length.
///
/// # Panics
/// When they are not.
pub fn replace(bytes: &mut [u8], old: &[u8], new: &[u8]) {
    let places = bytes.windows(old.len()).enumerate().filter(|(_, window)| *window == old);
    let places: Vec<usize> = places.map(|(place, _)| place).collect();
    for place in places {
        if let Some(bytes) = bytes.get_mut(place..place + old.len()) {
            bytes.copy_from_slice(new);
        }
    }
}
