//! Rules for one source file at a time.

use crate::files::File;

const FILE_LINES_MAX: usize = 400;
const MAIN_LINES_MAX: usize = 30;

/// A file is one screen after another about one thing.
pub(crate) fn length(file: &File) -> Vec<String> {
    let is_main = file.name() == "main.rs";
    let (max, what) = match is_main {
        true => (MAIN_LINES_MAX, "move what it does into the library"),
        false => (FILE_LINES_MAX, "split it by responsibility"),
    };
    let lines = file.text.lines().count();
    let complaint = format!("{}: {lines} lines, at most {max}: {what}", file.path);
    if lines > max { vec![complaint] } else { vec![] }
}

/// The first line says what the file is for.
pub(crate) fn header(file: &File) -> Vec<String> {
    let begins = ["//!", "#![doc = include_str!"];
    if begins.iter().any(|begin| file.text.starts_with(begin)) {
        return vec![];
    }
    vec![format!(
        "{}: begin it with `//!`: one sentence on what it is for, one on what it does not do",
        file.path
    )]
}

const SAY_NOTHING: [&str; 19] = [
    "util",
    "utils",
    "common",
    "helper",
    "helpers",
    "misc",
    "manager",
    "type",
    "types",
    "handler",
    "handlers",
    "processor",
    "service",
    "services",
    "v2",
    "new",
    "legacy",
    "old",
    "refactor",
];

/// A file's name says what is in it.
pub(crate) fn name(file: &File) -> Vec<String> {
    let parts = file.path.trim_end_matches(".rs").split('/');
    let bad = parts.filter(|part| SAY_NOTHING.contains(part));
    bad.map(|part| format!("{}: `{part}` says nothing: name it by what it holds", file.path))
        .collect()
}

/// Written so that the rule does not find itself.
const UNFINISHED: [&str; 2] = [concat!("TO", "DO"), concat!("FIX", "ME")];

/// Work that is left out stands in the tracker, not only in a comment.
pub(crate) fn unfinished(file: &File) -> Vec<String> {
    let names_an_issue = |line: &str, word: &str| {
        let after = line.split(word).nth(1).unwrap_or_default();
        after.strip_prefix("(#").is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
    };
    lines_with(file, &UNFINISHED)
        .filter(|(_, line, word)| !names_an_issue(line, word))
        .map(|(n, _, word)| format!("{}:{n}: write {word}(#issue), or do it now", file.path))
        .collect()
}

const EXCUSE: &str = concat!("clippy::too_many", "_lines");

/// The limit of a function's length has no exceptions: else it is none.
pub(crate) fn excuses(file: &File) -> Vec<String> {
    lines_with(file, &[EXCUSE])
        .map(|(n, ..)| format!("{}:{n}: split the function instead of excusing it", file.path))
        .collect()
}

/// Written so that the rule does not find itself.
const OF_ONE_MACHINE: [&str; 3] =
    [concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/ho", "me/")];

/// A repository works wherever it is cloned.
pub(crate) fn machine_paths(file: &File) -> Vec<String> {
    let advice = "name it relative to the repository, or read it from the environment";
    lines_with(file, &OF_ONE_MACHINE)
        .map(|(n, _, path)| format!("{}:{n}: {path} is a path of one machine: {advice}", file.path))
        .collect()
}

const OUTSIDE: [&str; 5] = ["async fn", "sqlx::", "tracing::", "chassis::", "rand::"];

/// A consumer decides without a database, a clock or a log: it could run in a spreadsheet.
pub(crate) fn purity(file: &File) -> Vec<String> {
    let decides = file.path.starts_with("consumers/")
        && (file.name() == "decide.rs" || file.path.contains("/decide/"));
    if !decides {
        return vec![];
    }
    let advice = "a decision reads its state and its batch, nothing else: move it to store.rs";
    lines_with(file, &OUTSIDE)
        .map(|(n, _, word)| format!("{}:{n}: {word} {advice}", file.path))
        .collect()
}

fn lines_with<'a>(
    file: &'a File,
    words: &'a [&'static str],
) -> impl Iterator<Item = (usize, &'a str, &'static str)> {
    (1..).zip(file.text.lines()).filter_map(|(n, line)| {
        words.iter().find(|word| line.contains(**word)).map(|word| (n, line, *word))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn complains(rule: fn(&File) -> Vec<String>, path: &str, text: &str) {
        assert_eq!(rule(&File::example(path, text)).len(), 1, "{path}: {text}");
    }

    #[track_caller]
    fn is_content(rule: fn(&File) -> Vec<String>, path: &str, text: &str) {
        assert!(rule(&File::example(path, text)).is_empty(), "{path}: {text}");
    }

    #[test]
    fn a_file_that_is_too_long_is_found() {
        complains(length, "a/src/x.rs", &"\n".repeat(401));
        is_content(length, "a/src/x.rs", &"\n".repeat(400));
        complains(length, "a/src/main.rs", &"\n".repeat(31));
    }

    #[test]
    fn a_file_without_a_header_is_found() {
        complains(header, "x.rs", "use std;");
        is_content(header, "x.rs", "//! Does this. Not that.");
    }

    #[test]
    fn a_name_that_says_nothing_is_found() {
        complains(name, "a/src/utils.rs", "");
        complains(name, "a/src/common/ids.rs", "");
        is_content(name, "a/src/newtypes_of_orders.rs", "");
    }

    #[test]
    fn unfinished_work_without_an_issue_is_found() {
        complains(unfinished, "x.rs", concat!("// TO", "DO: later"));
        is_content(unfinished, "x.rs", concat!("// TO", "DO(#12): later"));
    }

    #[test]
    fn an_excuse_is_found() {
        complains(excuses, "x.rs", concat!("#[expect(clippy::too_many", "_lines)]"));
    }

    #[test]
    fn a_path_of_one_machine_is_found() {
        complains(machine_paths, "x.sh", concat!("cd /ro", "ot/x"));
    }

    #[test]
    fn a_decision_that_asks_the_database_is_found() {
        complains(purity, "consumers/a/src/decide.rs", "sqlx::query(\"\")");
        is_content(purity, "consumers/a/src/store.rs", "sqlx::query(\"\")");
    }
}
