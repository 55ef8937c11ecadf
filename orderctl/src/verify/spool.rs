//! Puts bytes aside by bucket in a file that has no name, so that what must be sorted need not be in
//! memory. Knows nothing of what the bytes say.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Bytes of a bucket that are kept back, to be written together.
const OPEN_MAX: usize = 8 * 1024;

/// Entries by bucket, in the order in which they came.
#[derive(Debug)]
pub(super) struct Spool<K> {
    /// Gone with the process: it was removed before anything was written.
    file: File,
    end: u64,
    buckets: BTreeMap<K, Bucket>,
}

#[derive(Debug, Default)]
struct Bucket {
    /// Where in the file, and how much.
    written: Vec<(u64, usize)>,
    open: Vec<u8>,
}

impl<K: Ord> Spool<K> {
    /// In the directory for temporary files (`TMPDIR`).
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self { file: tempfile::tempfile()?, end: 0, buckets: BTreeMap::new() })
    }

    pub(super) fn push(&mut self, key: K, entry: &[u8]) -> io::Result<()> {
        let length = u32::try_from(entry.len()).map_err(io::Error::other)?;
        let bucket = self.buckets.entry(key).or_default();
        bucket.open.extend_from_slice(&length.to_le_bytes());
        bucket.open.extend_from_slice(entry);
        if bucket.open.len() < OPEN_MAX {
            return Ok(());
        }
        self.file.write_all_at(&bucket.open, self.end)?;
        bucket.written.push((self.end, bucket.open.len()));
        self.end += bucket.open.len() as u64;
        bucket.open.clear();
        Ok(())
    }

    /// The buckets that hold anything, in order.
    pub(super) fn keys(&self) -> impl Iterator<Item = &K> {
        self.buckets.keys()
    }

    /// Hands out the entries of a bucket.
    pub(super) fn read(
        &self,
        key: &K,
        mut each: impl FnMut(&[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        let Some(bucket) = self.buckets.get(key) else { return Ok(()) };
        let mut chunk = Vec::new();
        for (at, length) in &bucket.written {
            chunk.resize(*length, 0);
            self.file.read_exact_at(&mut chunk, *at)?;
            entries(&chunk, &mut each)?;
        }
        entries(&bucket.open, &mut each)
    }

    #[cfg(test)]
    pub(super) fn written(&self) -> u64 {
        self.end
    }

    /// As after somebody else emptied the disk.
    #[cfg(test)]
    pub(super) fn lose(&self) {
        self.file.set_len(0).unwrap();
    }
}

fn entries(mut bytes: &[u8], each: &mut impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
    while let Some((length, rest)) = bytes.split_first_chunk() {
        let length = u32::from_le_bytes(*length) as usize;
        let (entry, rest) = rest.split_at_checked(length).ok_or(io::ErrorKind::UnexpectedEof)?;
        each(entry)?;
        bytes = rest;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(spool: &Spool<u8>, key: u8) -> Vec<Vec<u8>> {
        let mut read = Vec::new();
        let mut each = |entry: &[u8]| {
            read.push(entry.to_vec());
            Ok(())
        };
        spool.read(&key, &mut each).unwrap();
        read
    }

    #[test]
    fn every_entry_comes_back_in_its_bucket_and_in_order() {
        let mut spool = Spool::new().unwrap();
        let entry = |n: usize| vec![n as u8; n % 700];
        (0..1000).for_each(|n| spool.push((n % 3) as u8, &entry(n)).unwrap());
        assert!(spool.written() > 0);
        assert_eq!(spool.keys().copied().collect::<Vec<_>>(), [0, 1, 2]);
        for key in 0..3 {
            let expected = (0..1000).filter(|n| n % 3 == usize::from(key)).map(entry);
            assert_eq!(read(&spool, key), expected.collect::<Vec<_>>());
        }
        assert!(read(&spool, 9).is_empty());
    }
}
