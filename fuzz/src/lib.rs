//! Shows a decoder every seed of its corpus, then damaged copies of them, for a second each time
//! or for `FUZZ_SECONDS`: bytes are changed, and of JSON also values. On stable Rust, as an ordinary
//! test. See docs/testing.md.
#![deny(missing_docs)]
#![expect(clippy::panic, clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod json;

use std::path::Path;
use std::time::{Duration, Instant};

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::{Config, TestCaseError, TestError, TestRunner};

/// How long each decoder is tried, unless `FUZZ_SECONDS` says otherwise.
const SECONDS: u64 = 1;
/// How often damage is done to a seed.
const DAMAGES_MAX: usize = 6;
/// An input does not grow beyond this.
const BYTES_MAX: usize = 64 * 1024;
/// Cases between two looks at the clock.
const ROUND: u32 = 128;

/// What decoders stumble over: ends of ranges, lengths that are not so, text that is none.
const WORDS: [&[u8]; 24] = [
    b"\0",
    b"\xff\xff\xff\xff\x0f",
    b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
    b"\xfe\xff\xff\xff\x0f",
    b"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01",
    b"\x01",
    b"\x02",
    b"-1",
    b"0",
    b"9223372036854775807",
    b"9223372036854775808",
    b"1e999",
    b"0.5",
    b"null",
    b"{",
    b"[",
    b"\"",
    b"\\u0000",
    b"\\ud800",
    b"\xc3\xa9",
    b"\xff",
    b"@",
    b":",
    b"\n",
];

/// Something that is done to an input.
#[derive(Debug, Clone)]
enum Damage {
    Set(Index, u8),
    Insert(Index, Vec<u8>),
    Remove(Index, u8),
    Repeat(Index, u8, u8),
    Cut(Index),
    Json(json::Damage),
}

/// Shows `check` every seed of `fuzz/corpus/<name>`, then damaged copies until the time is up.
///
/// # Panics
/// When `check` panics, with the smallest input found for which it does.
pub fn fuzz(name: &str, check: impl Fn(&[u8])) {
    let seeds = corpus(name);
    seeds.iter().for_each(|seed| check(seed));
    let damages = vec(damage(), 0..=DAMAGES_MAX);
    let inputs = (select(seeds), damages).prop_map(|(seed, damages)| {
        damages.iter().fold(seed, |input, damage| damage.done_to(input))
    });
    let config = Config { cases: ROUND, failure_persistence: None, ..Config::default() };
    let until = Instant::now() + duration();
    let mut cases: u64 = 0;
    while Instant::now() < until {
        // A runner counts over all its runs: one that is through does nothing more.
        let run = TestRunner::new(config.clone()).run(&inputs, |input| {
            check(&input);
            Ok::<(), TestCaseError>(())
        });
        if let Err(TestError::Fail(why, input)) = run {
            let text = String::from_utf8_lossy(&input).into_owned();
            panic!("{why}\nkeep it as a file in fuzz/corpus/{name}: {text:?}, as bytes {input:?}");
        }
        cases += u64::from(ROUND);
    }
    eprintln!("{name}: {cases} cases");
}

#[expect(clippy::disallowed_methods, reason = "the chassis is no part of what is tested here")]
fn duration() -> Duration {
    let said = std::env::var("FUZZ_SECONDS").ok();
    Duration::from_secs(said.map_or(SECONDS, |seconds| seconds.parse().unwrap()))
}

fn corpus(name: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name);
    let files = std::fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut paths: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).unwrap()).collect()
}

fn damage() -> impl Strategy<Value = Damage> {
    let place = any::<Index>;
    let word = select(&WORDS[..]).prop_map(<[u8]>::to_vec);
    prop_oneof![
        1 => (place(), any::<u8>()).prop_map(|(at, byte)| Damage::Set(at, byte)),
        1 => (place(), word).prop_map(|(at, word)| Damage::Insert(at, word)),
        1 => (place(), vec(any::<u8>(), 1..8)).prop_map(|(at, bytes)| Damage::Insert(at, bytes)),
        1 => (place(), any::<u8>()).prop_map(|(at, length)| Damage::Remove(at, length)),
        1 => (place(), 1..32_u8, any::<u8>()).prop_map(|(at, n, times)| Damage::Repeat(at, n, times)),
        1 => place().prop_map(Damage::Cut),
        6 => json::damage().prop_map(Damage::Json),
    ]
}

impl Damage {
    fn done_to(&self, mut input: Vec<u8>) -> Vec<u8> {
        let place = |index: &Index| index.index(input.len() + 1);
        let end = |at: usize, length: u8| at.saturating_add(length.into()).min(input.len());
        match self {
            Self::Set(index, byte) => {
                let at = place(index);
                if let Some(old) = input.get_mut(at) {
                    *old = *byte;
                }
            }
            Self::Insert(index, bytes) => {
                let at = place(index);
                input.splice(at..at, bytes.iter().copied());
            }
            Self::Remove(index, length) => {
                let at = place(index);
                input.drain(at..end(at, *length));
            }
            Self::Repeat(index, length, times) => {
                let at = place(index);
                let part = input.get(at..end(at, *length)).unwrap_or_default();
                let many = part.repeat((*times).into());
                input.splice(at..at, many);
            }
            Self::Cut(index) => input.truncate(place(index)),
            Self::Json(damage) => input = damage.done_to(input),
        }
        input.truncate(BYTES_MAX);
        input
    }
}
