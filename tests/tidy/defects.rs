//! The defects that `scripts/chaos --prove` puts into a copy of the tree. Builds none.

use std::process::Command;

use crate::files::{File, repository, root};

const FOLDER: &str = "tests/defects/";
/// Who runs them.
const PROOFS: &str = "tests/chaos/proof.rs";

/// What is wrong with the patches; that they no longer fit the code, says [`misfits`].
pub(crate) fn complaints(files: &[File]) -> Vec<String> {
    let proofs = files.iter().find(|file| file.path == PROOFS).map_or("", |file| &file.text);
    let defects: Vec<&File> = files.iter().filter(|file| is_defect(file)).collect();
    let unused = defects.iter().filter(|defect| !proofs.contains(&format!("\"{}\"", name(defect))));
    let unused = unused.map(|defect| format!("{}: no proof of {PROOFS} names it", defect.path));
    unused.chain(defects.iter().flat_map(|defect| wrong(defect))).collect()
}

fn is_defect(file: &File) -> bool {
    file.path.starts_with(FOLDER)
}

fn name(defect: &File) -> &str {
    defect.name().trim_end_matches(".diff")
}

fn wrong(defect: &File) -> Vec<String> {
    let patched: Vec<&str> = patched(&defect.text).collect();
    let mut wrong: Vec<String> = patched
        .iter()
        .filter(|path| !is_production(path))
        .map(|path| format!("{}: {path} is no production code", defect.path))
        .collect();
    if patched.is_empty() {
        wrong.push(format!("{}: it changes nothing", defect.path));
    }
    if !defect.text.starts_with(char::is_uppercase) {
        wrong.push(format!("{}: its first line must say what is wrong with it", defect.path));
    }
    wrong
}

fn patched(diff: &str) -> impl Iterator<Item = &str> {
    let lines = diff.lines().filter_map(|line| line.strip_prefix("+++ "));
    lines.map(|path| path.strip_prefix("b/").unwrap_or(path))
}

/// A source of a crate, and none of its tests.
fn is_production(path: &str) -> bool {
    let is_test = |part: &str| part == "tests" || part == "tests.rs" || part.ends_with("_tests.rs");
    path.contains("/src/") && path.ends_with(".rs") && !path.split('/').any(is_test)
}

/// Which patches no longer fit the code.
pub(crate) fn misfits() -> Vec<String> {
    let files = repository();
    let defects = files.iter().filter(|file| is_defect(file));
    defects.filter_map(|defect| Some(format!("{}: {}", defect.path, misfit(defect)?))).collect()
}

fn misfit(defect: &File) -> Option<String> {
    let root = root();
    let mut git = Command::new("git");
    git.args(["apply", "--check", &defect.path]).current_dir(&root);
    // Below another repository git would leave out every file of the patch, and be content.
    let applied = git.env("GIT_CEILING_DIRECTORIES", root.parent()?).output().unwrap();
    (!applied.status.success()).then(|| String::from_utf8_lossy(&applied.stderr).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATCH: &str = "No fence.\n\n--- a/a/src/b.rs\n+++ b/a/src/b.rs\n@@ -1 +1 @@\n-a\n+b\n";

    fn complaints_about(name: &str, patch: &str) -> usize {
        let proofs = File::example(PROOFS, "    (\"no-fence\", \"inventory\"),\n");
        complaints(&[proofs, File::example(&format!("{FOLDER}{name}.diff"), patch)]).len()
    }

    #[test]
    fn a_defect_that_nobody_runs_is_found() {
        assert_eq!(complaints_about("no-fence", PATCH), 0);
        assert_eq!(complaints_about("no-gate", PATCH), 1);
    }

    #[test]
    fn a_patch_of_tests_is_found() {
        for path in ["tests/drain.rs", "a/src/b/tests.rs", "a/src/tests/c.rs", "a/src/b_tests.rs"] {
            assert_eq!(
                complaints_about("no-fence", &PATCH.replace("a/src/b.rs", path)),
                1,
                "{path}"
            );
        }
    }

    #[test]
    fn a_patch_without_a_sentence_or_without_a_change_is_found() {
        assert_eq!(complaints_about("no-fence", PATCH.trim_start_matches("No fence.\n\n")), 1);
        assert_eq!(complaints_about("no-fence", "No fence.\n"), 1);
    }
}
