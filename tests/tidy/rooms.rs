//! The rooms of the runtime: who of them may know whom. Held as `crates` holds the crates.

use crate::files::File;

const RUNTIME: &str = "consumers/runtime/src/";

/// Of the other rooms, which one each may use.
const MAY: [(&str, &[&str]); 5] = [
    ("worker", &["log", "ownership", "batch"]),
    ("after", &["ownership", "batch"]),
    ("batch", &["ownership"]),
    ("log", &["ownership"]),
    ("ownership", &[]),
];

/// Outside of the rooms, who puts them together. All others there stand below: every room may use
/// them, and they use none.
const ASSEMBLE: [&str; 4] = ["lib", "serve", "testing", "tests"];

/// What is used against the arrows.
pub(crate) fn arrows(files: &[File]) -> Vec<String> {
    let sources = files.iter().filter(|file| file.is("rs"));
    let of_runtime = sources.filter_map(|file| Some((file, file.path.strip_prefix(RUNTIME)?)));
    of_runtime
        .filter(|(_, path)| !is_test(path))
        .flat_map(|(file, path)| wrong(file, path))
        .collect()
}

/// Tests may use whatever they need.
fn is_test(path: &str) -> bool {
    path.split('/').any(|part| part == "tests" || part == "tests.rs" || part.ends_with("_tests.rs"))
}

fn wrong(file: &File, path: &str) -> Vec<String> {
    let own = path.split(['/', '.']).next().unwrap_or_default();
    if ASSEMBLE.contains(&own) {
        return vec![];
    }
    let may = MAY.iter().find(|(room, _)| *room == own).map_or(&[][..], |(_, may)| *may);
    let is_wrong = |room: &&str| *room != own && !may.contains(room);
    let used = rooms_used(production(&file.text));
    let wrong = used.iter().copied().filter(is_wrong);
    let advice = "see the rooms in consumers/runtime/README.md, and untie the two";
    wrong.map(|room| format!("{}: must not use {room}: {advice}", file.path)).collect()
}

/// The part of a file before its tests.
fn production(text: &str) -> &str {
    text.split("#[cfg(test)]\nmod ").next().unwrap_or_default()
}

/// The rooms that a text names, by `crate::room`, also inside of `use crate::{…}`.
fn rooms_used(text: &str) -> Vec<&'static str> {
    let mut used = Vec::new();
    for (room, _) in MAY {
        let names = |path: &str| {
            let rest = path.trim_start().strip_prefix(room);
            rest.is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_'))
        };
        let mut paths = text.split("crate::").skip(1);
        let is_used = paths.any(|path| match path.strip_prefix('{') {
            Some(list) => list.split('}').next().unwrap_or_default().split(',').any(names),
            None => names(path),
        });
        if is_used {
            used.push(room);
        }
    }
    used
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaints(path: &str, text: &str) -> usize {
        arrows(&[File::example(&format!("{RUNTIME}{path}"), text)]).len()
    }

    #[test]
    fn an_arrow_against_the_direction_is_found() {
        let poll = "use crate::log::poll::Poller;\n";
        assert_eq!(complaints("ownership/claim.rs", poll), 1);
        assert_eq!(complaints("ownership.rs", poll), 1);
        assert_eq!(complaints("after/redrive/turn.rs", poll), 1);
        assert_eq!(complaints("worker/event_loop.rs", poll), 0);
        assert_eq!(complaints("log/standby.rs", poll), 0);
    }

    #[test]
    fn nobody_knows_the_worker_but_whoever_starts_it() {
        let text = "fn of(worker: &crate::worker::event_loop::Worker) {}\n";
        for path in ["log/poll.rs", "batch/pending.rs", "after/publish.rs", "record.rs"] {
            assert_eq!(complaints(path, text), 1, "{path}");
        }
        assert_eq!(complaints("serve.rs", text), 0);
    }

    #[test]
    fn what_every_room_may_use_uses_none() {
        assert_eq!(complaints("metrics.rs", "use crate::batch::decide_batch::Outcomes;\n"), 1);
        assert_eq!(complaints("metrics.rs", "use crate::logs::Log;\nuse crate::record;\n"), 0);
    }

    #[test]
    fn a_list_of_modules_hides_no_arrow() {
        assert_eq!(complaints("batch/pending.rs", "use crate::{record, after, worker};\n"), 2);
    }

    #[test]
    fn tests_may_use_whatever_they_need() {
        let text = "use crate::worker::workers::Workers;\n";
        assert_eq!(complaints("after/redrive/tests.rs", text), 0);
        assert_eq!(complaints("ownership/assignments_tests.rs", text), 0);
        assert_eq!(
            complaints("log/poll.rs", &format!("#[cfg(test)]\nmod tests {{\n{text}}}\n")),
            0
        );
    }
}
