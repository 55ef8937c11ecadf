//! A record's headers as they came, in three pieces of memory however many there are: every record
//! carries some, and hardly any is read again. Knows no names.

/// Names and values, in order.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct RawHeaders {
    names: String,
    values: Vec<u8>,
    /// How long each name is, and its value where it has one.
    lengths: Vec<(usize, Option<usize>)>,
}

impl RawHeaders {
    pub(crate) fn len(&self) -> usize {
        self.lengths.len()
    }

    /// Of names and values.
    pub(crate) fn bytes(&self) -> usize {
        self.names.len() + self.values.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, Option<&[u8]>)> {
        let (mut names, mut values) = (self.names.as_str(), self.values.as_slice());
        self.lengths.iter().map(move |(name, value)| {
            let (name, rest) = names.split_at_checked(*name).unwrap_or_default();
            names = rest;
            (name, value.and_then(|length| values.split_off(..length)))
        })
    }
}

impl<N: AsRef<str>, V: AsRef<[u8]>> From<&[(N, Option<V>)]> for RawHeaders {
    fn from(headers: &[(N, Option<V>)]) -> Self {
        let pair = |(name, value): &(N, Option<V>)| {
            (name.as_ref().len(), value.as_ref().map(|value| value.as_ref().len()))
        };
        let lengths: Vec<_> = headers.iter().map(pair).collect();
        let mut names = String::with_capacity(lengths.iter().map(|(name, _)| name).sum());
        let mut values = Vec::with_capacity(lengths.iter().filter_map(|(_, value)| *value).sum());
        for (name, value) in headers {
            names.push_str(name.as_ref());
            values.extend_from_slice(value.as_ref().map(AsRef::as_ref).unwrap_or_default());
        }
        Self { names, values, lengths }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn headers_are_read_as_they_came(headers: Vec<(String, Option<Vec<u8>>)>) {
            let raw = RawHeaders::from(headers.as_slice());
            let read: Vec<_> = raw.iter().map(|(n, v)| (n.to_owned(), v.map(<[u8]>::to_vec))).collect();
            prop_assert_eq!(raw.len(), headers.len());
            prop_assert_eq!(read, headers);
        }
    }
}
