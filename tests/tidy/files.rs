//! The repository's text files. Judges none.

use std::path::{Path, PathBuf};

/// A text file of the repository.
pub(crate) struct File {
    /// From the repository's root, with `/`.
    pub(crate) path: String,
    pub(crate) text: String,
}

impl File {
    /// Whether it is of this kind: an extension, or `""` for any.
    pub(crate) fn is(&self, kind: &str) -> bool {
        match kind {
            "" => true,
            "sh" => self.path.ends_with(".sh") || self.text.starts_with("#!/usr/bin/env bash"),
            _ => Path::new(&self.path).extension().is_some_and(|extension| extension == kind),
        }
    }

    /// Its name without the folder.
    pub(crate) fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }

    #[cfg(test)]
    pub(crate) fn example(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned() }
    }
}

/// Where the repository is.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Made by tools, not by us.
const NOT_OURS: [&str; 6] = ["target", ".stack", ".git", ".venv", "__pycache__", "Cargo.lock"];

/// Every text file, whether committed or not yet.
pub(crate) fn repository() -> Vec<File> {
    let mut files = Vec::new();
    collect(&root(), &mut files);
    files
}

fn collect(folder: &Path, files: &mut Vec<File>) {
    let mut entries: Vec<_> = std::fs::read_dir(folder).unwrap().map(Result::unwrap).collect();
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let name = entry.file_name();
        if NOT_OURS.iter().any(|other| name == *other) {
            continue;
        }
        let path = entry.path();
        if entry.file_type().unwrap().is_dir() {
            collect(&path, files);
        } else if let Ok(text) = std::fs::read_to_string(&path) {
            let path = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
            files.push(File { path, text });
        }
    }
}
