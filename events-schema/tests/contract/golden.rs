//! The golden corpus: bytes as they were once written, with what they meant. Knows no rule of Avro.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use events_schema::{Event, EventType};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::cases::cases;
use crate::given::{self, decoder, encoder, folder, history, json};

struct Stored {
    name: String,
    version: usize,
    bytes: Vec<u8>,
    json: Value,
}

fn corpus() -> PathBuf {
    folder().join("tests/golden")
}

/// What is stored of a type: `v<version>-<case>.bin` and `.json`.
fn stored(event_type: EventType) -> Vec<Stored> {
    let mut all = vec![];
    for entry in std::fs::read_dir(corpus().join(event_type.file_name())).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "bin") {
            all.push(read(&path));
        }
    }
    all
}

fn read(path: &Path) -> Stored {
    let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
    let version = name.strip_prefix('v').and_then(|rest| rest.split_once('-')).unwrap().0;
    let view = std::fs::read(path.with_extension("json")).unwrap();
    Stored {
        version: version.parse().unwrap(),
        bytes: std::fs::read(path).unwrap(),
        json: serde_json::from_slice(&view).unwrap(),
        name,
    }
}

#[test]
fn everything_ever_written_is_read_to_what_it_meant() {
    for event_type in EventType::ALL {
        let decoder = decoder(event_type);
        for stored in stored(event_type) {
            let event = decoder.decode(&stored.bytes);
            let event = event.unwrap_or_else(|e| panic!("{event_type:?} {}: {e}", stored.name));
            assert_eq!(json(&event), stored.json, "{event_type:?} {}", stored.name);
        }
    }
}

#[test]
fn todays_encoder_writes_todays_bytes() {
    for event_type in EventType::ALL {
        let (encoder, decoder) = (encoder(), decoder(event_type));
        let newest = history(event_type).len();
        for stored in stored(event_type).into_iter().filter(|stored| stored.version == newest) {
            let event = decoder.decode(&stored.bytes).unwrap();
            let bytes = encoder.encode(&event, Vec::new()).unwrap();
            assert_eq!(bytes, stored.bytes, "{event_type:?} {}", stored.name);
        }
    }
}

#[test]
fn every_version_of_every_schema_is_in_the_corpus() {
    for event_type in EventType::ALL {
        for version in 1..=history(event_type).len() {
            let of_version = stored(event_type).iter().filter(|s| s.version == version).count();
            assert!(of_version >= 3, "{event_type:?} {version} has {of_version} golden files");
        }
    }
}

#[test]
fn every_case_is_in_the_corpus_of_the_newest_version() {
    for (case, event) in cases() {
        let bytes = std::fs::read(file_of(&event, case)).unwrap_or_default();
        let today = encoder().encode(&event, Vec::new()).unwrap();
        assert!(bytes == today, "{:?} {case} is missing or differs: {ADD}", event.event_type());
    }
}

#[test]
fn nothing_in_the_corpus_was_edited_or_removed() {
    let listed = std::fs::read_to_string(corpus().join(SUMS)).unwrap();
    assert_eq!(sums().join("\n") + "\n", listed, "stored files never change; {ADD}");
}

const SUMS: &str = "SHA256SUMS";
const ADD: &str =
    "add new ones with `cargo test -p events-schema --test contract golden -- --ignored`";

/// In the form of sha256sum(1), sorted by name.
fn sums() -> Vec<String> {
    let mut sums = BTreeMap::new();
    for event_type in EventType::ALL {
        for entry in std::fs::read_dir(corpus().join(event_type.file_name())).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(corpus()).unwrap().to_str().unwrap().to_owned();
            sums.insert(name, given::hex(&Sha256::digest(std::fs::read(&path).unwrap())));
        }
    }
    sums.into_iter().map(|(name, sum)| format!("{sum}  {name}")).collect()
}

fn file_of(event: &Event, case: &str) -> PathBuf {
    let event_type = event.event_type();
    let version = history(event_type).len();
    corpus().join(event_type.file_name()).join(format!("v{version}-{case}.bin"))
}

#[test]
#[ignore = "adds the files of new cases and new versions; never touches an old one"]
fn add_what_is_missing_from_the_corpus() {
    for (case, event) in cases() {
        let file = file_of(&event, case);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        write_new(&file, &encoder().encode(&event, Vec::new()).unwrap());
        let view = serde_json::to_string_pretty(&json(&event)).unwrap() + "\n";
        write_new(&file.with_extension("json"), view.as_bytes());
    }
    std::fs::write(corpus().join(SUMS), sums().join("\n") + "\n").unwrap();
    assert!(cases().iter().all(|(case, event)| file_of(event, case).exists()));
}

fn write_new(file: &Path, bytes: &[u8]) {
    if let Ok(mut file) = std::fs::File::create_new(file) {
        file.write_all(bytes).unwrap();
    }
}
