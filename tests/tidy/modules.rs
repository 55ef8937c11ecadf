//! Which source files a crate is made of. A file that no `mod` names is dead: nobody compiles it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use cargo_metadata::Metadata;

use crate::files::{File, root};

/// What a file that a crate reaches is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    Shipped,
    /// Its `mod` stands under `#[cfg(test)]`, or that of one above it.
    Tests,
}

/// The files that no crate reaches.
pub(crate) fn dead(metadata: &Metadata, files: &[File]) -> Vec<String> {
    let packages = metadata.workspace_packages().into_iter();
    let targets = packages.flat_map(|package| &package.targets);
    let reached: HashMap<PathBuf, Source> =
        targets.flat_map(|target| sources(target.src_path.as_std_path())).collect();
    let files = files.iter().filter(|file| file.is("rs"));
    let unreached = files.filter(|file| !reached.contains_key(&root().join(&file.path)));
    unreached
        .map(|file| format!("{}: no `mod` names it: name it or delete it", file.path))
        .collect()
}

/// The files that a target is made of.
pub(crate) fn sources(target: &Path) -> HashMap<PathBuf, Source> {
    let mut reached = HashMap::new();
    reach(target, true, Source::Shipped, &mut reached);
    reached
}

fn reach(file: &Path, is_root: bool, source: Source, reached: &mut HashMap<PathBuf, Source>) {
    let Ok(text) = std::fs::read_to_string(file) else { return };
    if reached.insert(file.to_owned(), source).is_some() {
        return;
    }
    let folder = file.parent().unwrap_or(file);
    let is_folder = is_root || file.file_name().is_some_and(|name| name == "mod.rs");
    let inside = if is_folder { folder.to_owned() } else { file.with_extension("") };
    for (module, of_tests) in modules(&text) {
        let source = if of_tests { Source::Tests } else { source };
        match module {
            Module::At(path) => reach(&folder.join(path), false, source, reached),
            Module::Named(name) => {
                reach(&inside.join(format!("{name}.rs")), false, source, reached);
                reach(&inside.join(name).join("mod.rs"), false, source, reached);
            }
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Module {
    Named(String),
    At(String),
}

/// The modules that a file names, and which of them only tests have: `mod x;`, or
/// `#[path = "y.rs"] mod x;`.
fn modules(text: &str) -> Vec<(Module, bool)> {
    let mut found = Vec::new();
    let (mut path, mut of_tests) = (None, false);
    for line in text.lines().map(str::trim) {
        if let Some(rest) = line.strip_prefix("#[path = \"") {
            path = rest.split('"').next().map(str::to_owned);
        } else if line == "#[cfg(test)]" {
            of_tests = true;
        } else if let Some(name) = module_name(line) {
            found.push((path.take().map_or(Module::Named(name), Module::At), of_tests));
            of_tests = false;
        } else if !line.starts_with("#[") {
            of_tests = false;
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
        let named = |name: &str| (Module::Named(name.to_owned()), false);
        let at = (Module::At("x/c.rs".to_owned()), false);
        assert_eq!(modules(text), [named("a"), named("b"), at]);
    }

    #[test]
    fn modules_of_tests_are_told_from_others() {
        let text =
            "#[cfg(test)]\n#[path = \"x/a.rs\"]\nmod a;\nmod b;\n#[cfg(test)]\nuse c::D;\nmod e;";
        let of_tests = modules(text).into_iter().map(|(_, of_tests)| of_tests);
        assert_eq!(of_tests.collect::<Vec<_>>(), [true, false, false]);
    }

    #[test]
    fn a_file_that_nobody_names_is_found() {
        let metadata = crate::crates::metadata();
        let files = [File::example("chassis/src/forgotten.rs", "//! Dead.")];
        assert_eq!(dead(&metadata, &files).len(), 1);
    }
}
