//! What was learnt from a registry, on disk, for when it is away. Never the truth while the
//! registry answers.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use sha2::{Digest, Sha256};

use events_schema::EventType;
use events_schema::wire::SchemaId;

/// The folder of one registry. Ids mean nothing beyond the registry that gave them out, so its URL
/// names the folder.
#[derive(Debug)]
pub(super) struct Cache {
    folder: PathBuf,
    has_warned: AtomicBool,
}

impl Cache {
    pub(super) fn of(url: &str, folder: &Path) -> Self {
        Self { folder: folder.join(short(url)), has_warned: AtomicBool::new(false) }
    }

    pub(super) fn id(&self, event_type: EventType) -> Option<SchemaId> {
        read(&self.id_file(event_type))?.parse().ok()
    }

    pub(super) fn schema(&self, id: SchemaId) -> Option<String> {
        read(&self.schema_file(id))
    }

    pub(super) fn keep_id(&self, event_type: EventType, id: SchemaId) {
        self.keep(&self.id_file(event_type), &id.to_string());
    }

    pub(super) fn keep_schema(&self, id: SchemaId, schema: &str) {
        self.keep(&self.schema_file(id), schema);
    }

    /// A cache that cannot be written only costs the next start a question, unless the registry is
    /// away then: somebody should know in time.
    fn keep(&self, file: &Path, text: &str) {
        if read(file).as_deref() == Some(text) {
            return;
        }
        if let Err(error) = write(file, text)
            && !self.has_warned.swap(true, Ordering::Relaxed)
        {
            let folder = self.folder.display();
            tracing::warn!(%folder, %error, "what the schema registry said cannot be kept");
        }
    }

    pub(super) fn forget_id(&self, event_type: EventType) {
        // What cannot be removed is as it was; the registry is asked first next time, too.
        let _ = std::fs::remove_file(self.id_file(event_type));
    }

    /// Another schema text, another name.
    fn id_file(&self, event_type: EventType) -> PathBuf {
        self.folder.join(format!("{}-{}.id", event_type.name(), short(event_type.schema())))
    }

    fn schema_file(&self, id: SchemaId) -> PathBuf {
        self.folder.join(format!("{id}.avsc"))
    }
}

fn hex(bytes: impl IntoIterator<Item = u8>) -> String {
    bytes.into_iter().map(|byte| format!("{byte:02x}")).collect()
}

fn short(text: &str) -> String {
    hex(Sha256::digest(text).into_iter().take(8))
}

fn checksum(text: &str) -> String {
    hex(Sha256::digest(text))
}

/// The first line is the checksum of the rest: a file that a crash or a full disk cut short, or
/// that somebody edited, counts as missing.
fn read(file: &Path) -> Option<String> {
    let stored = std::fs::read_to_string(file).ok()?;
    let (sum, text) = stored.split_once('\n')?;
    (sum == checksum(text)).then(|| text.to_owned())
}

/// Written beside and renamed, so that a reader finds the old file or the new one.
fn write(file: &Path, text: &str) -> std::io::Result<()> {
    let beside = file.with_extension(format!("{}.tmp", std::process::id()));
    file.parent().map(std::fs::create_dir_all).transpose()?;
    std::fs::write(&beside, format!("{}\n{text}", checksum(text)))?;
    std::fs::rename(&beside, file)
}
