//! Which source files a crate is made of. A file that no `mod` names is dead: nobody compiles it.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use cargo_metadata::Metadata;

use crate::files::{File, root};

/// The files that no crate reaches.
pub(crate) fn dead(metadata: &Metadata, files: &[File]) -> Vec<String> {
    let mut reached = HashSet::new();
    for package in metadata.workspace_packages() {
        for target in &package.targets {
            reach(target.src_path.as_std_path(), true, &mut reached);
        }
    }
    let sources = files.iter().filter(|file| file.is("rs"));
    let unreached = sources.filter(|file| !reached.contains(&root().join(&file.path)));
    unreached
        .map(|file| format!("{}: no `mod` names it: name it or delete it", file.path))
        .collect()
}

fn reach(file: &Path, is_root: bool, reached: &mut HashSet<PathBuf>) {
    let Ok(text) = std::fs::read_to_string(file) else { return };
    if !reached.insert(file.to_owned()) {
        return;
    }
    let folder = file.parent().unwrap_or(file);
    let is_folder = is_root || file.file_name().is_some_and(|name| name == "mod.rs");
    let inside = if is_folder { folder.to_owned() } else { file.with_extension("") };
    for module in modules(&text) {
        match module {
            Module::At(path) => reach(&folder.join(path), false, reached),
            Module::Named(name) => {
                reach(&inside.join(format!("{name}.rs")), false, reached);
                reach(&inside.join(name).join("mod.rs"), false, reached);
            }
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Module {
    Named(String),
    At(String),
}

/// The modules that a file names: `mod x;`, or `#[path = "y.rs"] mod x;`.
fn modules(text: &str) -> Vec<Module> {
    let mut found = Vec::new();
    let mut path = None;
    for line in text.lines().map(str::trim) {
        if let Some(rest) = line.strip_prefix("#[path = \"") {
            path = rest.split('"').next().map(str::to_owned);
        } else if let Some(name) = module_name(line) {
            found.push(path.take().map_or(Module::Named(name), Module::At));
        }
    }
    found
}

fn module_name(line: &str) -> Option<String> {
    let mut words = line.strip_suffix(';')?.split_whitespace().rev();
    let name = words.next()?;
    let keyword = words.next()?;
    let visibility = words.next().unwrap_or("pub");
    (keyword == "mod" && visibility.starts_with("pub")).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_are_found_however_they_are_named() {
        let text = "mod a;\npub(crate) mod b;\n#[path = \"x/c.rs\"]\nmod c;\n// mod d;\nuse mod_e;";
        let named = |name: &str| Module::Named(name.to_owned());
        assert_eq!(modules(text), [named("a"), named("b"), Module::At("x/c.rs".to_owned())]);
    }

    #[test]
    fn a_file_that_nobody_names_is_found() {
        let metadata = crate::crates::metadata();
        let files = [File::example("chassis/src/forgotten.rs", "//! Dead.")];
        assert_eq!(dead(&metadata, &files).len(), 1);
    }
}
