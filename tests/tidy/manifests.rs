//! What a manifest asks for and its sources do not name. Compiles nothing: it looks at words.

use std::collections::HashSet;

use cargo_metadata::{DependencyKind, Metadata, Package, TargetKind};

use crate::files::File;
use crate::modules::{Source, sources};

/// The code of a crate, without comments.
#[derive(Default)]
struct Code {
    shipped: String,
    tests: String,
}

/// Every dependency is named by the code that it is for.
pub(crate) fn unused(metadata: &Metadata) -> Vec<String> {
    let complaints = metadata.workspace_packages().into_iter().flat_map(|package| {
        let code = code(package);
        let needs = package.dependencies.iter();
        let complaints = needs.filter_map(move |need| {
            let name = need.rename.as_deref().unwrap_or(&need.name);
            complaint(name, need.kind, &code).map(|why| (name.to_owned(), why))
        });
        complaints.map(|(name, why)| format!("{}/Cargo.toml: `{name}`: {why}", package.name))
    });
    complaints.collect()
}

fn code(package: &Package) -> Code {
    let mut code = Code::default();
    for target in &package.targets {
        let is_test = target.kind.iter().all(|kind| TESTS.contains(kind));
        for (path, source) in sources(target.src_path.as_std_path()) {
            let (shipped, tests) = cut(&std::fs::read_to_string(path).unwrap_or_default());
            // The crate of the system's tests is for tests as a whole: one list is enough.
            let for_tests = is_test || source == Source::Tests;
            let room = match for_tests && package.name != "system-tests" {
                true => &mut code.tests,
                false => &mut code.shipped,
            };
            room.push_str(&shipped);
            code.tests.push_str(&tests);
        }
    }
    code
}

const TESTS: [TargetKind; 3] = [TargetKind::Test, TargetKind::Bench, TargetKind::Example];

/// What of a file is shipped, and what of it is its tests.
fn cut(text: &str) -> (String, String) {
    let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    let code: String = code.flat_map(|line| [line, "\n"]).collect();
    let (shipped, tests) = code.split_once("#[cfg(test)]\nmod tests {").unwrap_or((&code, ""));
    (shipped.to_owned(), tests.to_owned())
}

fn complaint(name: &str, kind: DependencyKind, code: &Code) -> Option<&'static str> {
    let (shipped, tests) = (names(&code.shipped, name), names(&code.tests, name));
    match kind {
        DependencyKind::Development if shipped => Some("is a dependency already: remove it here"),
        DependencyKind::Development => (!tests).then_some("no test names it: remove it"),
        _ if shipped => None,
        _ if tests => Some("only tests name it: move it to [dev-dependencies]"),
        _ => Some("nothing names it: remove it"),
    }
}

/// Whether code says `name::` or `use name`.
fn names(code: &str, name: &str) -> bool {
    let name = name.replace('-', "_");
    code.match_indices(&name).any(|(at, _)| {
        let (before, after) = (code.get(..at).unwrap_or(""), code.get(at + name.len()..));
        let is_root = |path: &&str| !path.ends_with(is_part_of_a_name) && !path.ends_with('>');
        let before = before.strip_suffix("::").filter(is_root).unwrap_or(before);
        let begins = !before.ends_with(is_part_of_a_name) && !before.ends_with("::");
        let after = after.unwrap_or("");
        let is_used = before.ends_with("use ") && !after.starts_with(is_part_of_a_name);
        begins && (after.starts_with("::") || is_used)
    })
}

fn is_part_of_a_name(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

/// What the workspace's list offers, some crate takes.
pub(crate) fn offered(manifest: &File, metadata: &Metadata) -> Vec<String> {
    let packages = metadata.workspace_packages();
    let taken: HashSet<&str> = packages
        .iter()
        .flat_map(|package| package.dependencies.iter())
        .map(|need| need.rename.as_deref().unwrap_or(&need.name))
        .collect();
    let list = manifest.text.split("[workspace.dependencies]").nth(1).unwrap_or_default();
    let list = list.split("\n[").next().unwrap_or_default();
    let offered = list.lines().filter_map(|line| line.split_once(" = ").map(|(name, _)| name));
    let spare = offered.filter(|name| !name.starts_with('#') && !taken.contains(name));
    spare.map(|name| format!("{}: no crate takes `{name}`: remove it", manifest.path)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(shipped: &str, tests: &str) -> Code {
        Code { shipped: shipped.to_owned(), tests: tests.to_owned() }
    }

    #[test]
    fn a_dependency_that_nothing_names_is_found() {
        let normal = |code: &Code| complaint("a-b", DependencyKind::Normal, code);
        assert_eq!(normal(&code("use a_b::C;", "")), None);
        assert_eq!(normal(&code("fn f(c: &a_b::C) {}", "")), None);
        assert_eq!(normal(&code("fn f(c: &::a_b::C) {}", "")), None);
        assert_eq!(normal(&code("use a_b as b;", "")), None);
        for other in ["let a_b = 1;", "use x::a_b::C;", "use a_bc::D;", "use ca_b::D;", ""] {
            assert!(normal(&code(other, "")).is_some_and(|why| why.contains("nothing")), "{other}");
        }
    }

    #[test]
    fn a_dependency_that_only_tests_name_is_theirs() {
        let code = code("", "use a::B;");
        let moved = complaint("a", DependencyKind::Normal, &code);
        assert!(moved.is_some_and(|why| why.contains("dev-dependencies")));
        assert_eq!(complaint("a", DependencyKind::Development, &code), None);
        assert!(complaint("b", DependencyKind::Development, &code).is_some());
    }

    #[test]
    fn a_dependency_of_the_tests_that_the_crate_has_anyway_is_found() {
        let code = code("use a::B;", "use a::B;");
        assert!(complaint("a", DependencyKind::Development, &code).is_some());
    }

    #[test]
    fn comments_name_nothing_and_a_files_tests_are_tests() {
        let (shipped, tests) = cut("// a::B\nuse c::D;\n#[cfg(test)]\nmod tests {\nuse e::F;\n}\n");
        assert!(!names(&shipped, "a") && names(&shipped, "c") && !names(&shipped, "e"));
        assert!(names(&tests, "e"));
    }

    #[test]
    fn what_no_crate_takes_is_found_in_the_list() {
        let text =
            "[workspace.dependencies]\n# Ours.\nunheard-of = \"1\"\nserde = \"1\"\n\n[x]\ny = 1";
        let manifest = File::example("Cargo.toml", text);
        assert_eq!(offered(&manifest, &crate::crates::metadata()).len(), 1);
    }
}
