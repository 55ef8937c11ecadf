//! Rules for documents: short, and true where a machine can tell.

use crate::crates::CONSUMERS;
use crate::files::{File, root};

const ARCHITECTURE_LINES_MAX: usize = 150;

/// Who is new reads the architecture in one go.
pub(crate) fn length(file: &File) -> Vec<String> {
    let lines = file.text.lines().count();
    if file.path != "docs/architecture.md" || lines <= ARCHITECTURE_LINES_MAX {
        return vec![];
    }
    vec![format!(
        "{}: {lines} lines, at most {ARCHITECTURE_LINES_MAX}: leave out detail",
        file.path
    )]
}

const HEADINGS: [&str; 7] = [
    "What it answers",
    "Consumes / produces / owns",
    "How a batch is decided",
    "Idempotency",
    "Failures",
    "Settings",
    "Metrics",
];

const APIS: [&str; 2] = ["producer-api", "query-api"];
const API_HEADINGS: [&str; 2] = ["Settings", "Metrics"];

/// An operator finds the same thing at the same place for every consumer, and for every API.
pub(crate) fn headings(files: &[File]) -> Vec<String> {
    let missing = |path: String, headings: &[&str]| {
        let readme = files.iter().find(|file| file.path == path);
        readme.map(|file| missing_headings(file, headings)).unwrap_or_default()
    };
    let consumers =
        CONSUMERS.iter().map(|name| missing(format!("consumers/{name}/README.md"), &HEADINGS));
    let apis = APIS.iter().map(|name| missing(format!("{name}/README.md"), &API_HEADINGS));
    consumers.chain(apis).flatten().collect()
}

fn missing_headings(file: &File, headings: &[&str]) -> Vec<String> {
    let has = |heading: &str| file.text.lines().any(|line| line == format!("## {heading}"));
    let missing = headings.iter().filter(|heading| !has(heading));
    missing.map(|heading| format!("{}: write the section `## {heading}`", file.path)).collect()
}

/// Every path that a document names exists.
pub(crate) fn paths(file: &File) -> Vec<String> {
    let folder =
        root().join(&file.path).parent().map(std::path::Path::to_owned).unwrap_or_default();
    let linked = links(&file.text).filter(|link| !folder.join(link).exists());
    let exists = |path: &str| root().join(path).exists() || folder.join(path).exists();
    let named = quoted(&file.text).filter(|path| looks_like_ours(path) && !exists(path));
    let run = commands(&file.text).filter(|path| looks_like_ours(path) && !exists(path));
    let all = linked.chain(named).chain(run);
    all.map(|path| format!("{}: {path} does not exist: correct it", file.path)).collect()
}

/// Targets of relative links.
fn links(text: &str) -> impl Iterator<Item = &str> {
    text.split("](").skip(1).filter_map(|rest| {
        let target = rest.split(')').next()?.split('#').next()?;
        (!target.is_empty() && !target.contains("://")).then_some(target)
    })
}

/// The first word of everything in back quotes, outside of blocks of code.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    let prose = text.split("```").step_by(2);
    let spans = prose.flat_map(|prose| prose.split('`').skip(1).step_by(2));
    spans.filter_map(|span| span.split_whitespace().next())
}

/// The scripts that blocks of code run.
fn commands(text: &str) -> impl Iterator<Item = &str> {
    let blocks = text.split("```").skip(1).step_by(2);
    let words = blocks.flat_map(|block| block.split(|c: char| " \n\"'()$;".contains(c)));
    words.map(|word| word.trim_start_matches("./")).filter(|word| word.starts_with("scripts/"))
}

/// Part of every system that a script of ours runs on, of the shell, or of Rust, which is asked for.
const ALWAYS_THERE: [&str; 5] = ["cargo", "eval", "export", "git", "grep"];

/// Whatever a documented command runs is ours, or installed by scripts/install (or asked for).
pub(crate) fn programs(file: &File, install: &File) -> Vec<String> {
    let blocks = file.text.split("\n```sh\n").skip(1).filter_map(|rest| rest.split("\n```").next());
    let is_ours =
        |name: &str| name == "orderctl" || CONSUMERS.contains(&name) || name.contains('/');
    let installed = |name: &str| install.text.contains(&format!("has {name} "));
    let strange = blocks.flat_map(run_by).filter(|name| {
        !is_ours(name) && !ALWAYS_THERE.contains(&name.as_str()) && !installed(name)
    });
    let advice = "nobody installs it: let scripts/install do that, or ask for it";
    strange.map(|name| format!("{}: runs {name}: {advice}", file.path)).collect()
}

/// The first word of each command of a block of shell.
fn run_by(block: &str) -> Vec<String> {
    let (mut quote, mut command, mut commands) = (None, String::new(), Vec::new());
    let lines: Vec<&str> = block.lines().map(without_comment).collect();
    for letter in lines.join("\n").replace("\\\n", " ").replace("$(", "\n").chars() {
        match (quote, letter) {
            (None, '|' | ';' | '&' | '(' | ')' | '\n') => {
                commands.push(std::mem::take(&mut command))
            }
            (None, '\'' | '"') => quote = Some(letter),
            (Some(open), _) if open == letter => quote = None,
            (Some(_), _) => {}
            (None, _) => command.push(letter),
        }
    }
    commands.push(command);
    let first = |command: &String| {
        let mut words = command.split_whitespace().skip_while(|word| word.contains('='));
        words
            .next()
            .filter(|word| word.starts_with(|c: char| c.is_ascii_lowercase()))
            .map(str::to_owned)
    };
    commands.iter().filter_map(first).collect()
}

fn without_comment(line: &str) -> &str {
    let comment = if line.starts_with('#') { Some(0) } else { line.find(" # ") };
    comment.and_then(|at| line.get(..at)).unwrap_or(line)
}

/// It begins with a folder of ours, and is no pattern.
fn looks_like_ours(path: &str) -> bool {
    let first = path.split('/').next().unwrap_or_default();
    let plain = !path.contains(['<', '>', '*', '{', '…', '|', '$']);
    path.contains('/') && plain && !first.is_empty() && root().join(first).is_dir()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_does_not_exist_is_found() {
        let complains = |text: &str| paths(&File::example("docs/x.md", text)).len();
        assert_eq!(complains("see `tests/nowhere.rs`"), 1);
        assert_eq!(complains("run `scripts/nothing --here`"), 1);
        assert_eq!(complains("[x](nowhere.md) and [y](https://example.com)"), 1);
        assert_eq!(complains("see `tests/tidy.rs`, `application/json`, `tests/<name>.rs`"), 0);
        assert_eq!(complains("```\ntests/nothing\n```\n"), 0);
    }

    #[test]
    fn a_script_that_a_block_of_code_runs_exists() {
        let complains = |text: &str| paths(&File::example("docs/x.md", text)).len();
        assert_eq!(complains("```sh\nscripts/nothing --here\n```\n"), 1);
        assert_eq!(complains("```sh\neval \"$(./scripts/nothing env)\"\n```\n"), 1);
        assert_eq!(complains("```sh\nscripts/demo --orders 5\n```\n"), 0);
    }

    #[test]
    fn a_program_that_nobody_installs_is_found() {
        let install = File::example("scripts/install", "check_tools() { has jq || needs jq; }");
        let complains = |line: &str| {
            programs(&File::example("docs/x.md", &format!("\n```sh\n{line}\n```\n")), &install)
                .len()
        };
        assert_eq!(complains("orderctl replay orders | jq .event"), 0);
        assert_eq!(complains("X=1 orderctl replay orders | yq '.a | .b'"), 1);
        assert_eq!(complains("export A=$(xsltproc a.xml) # by hand | x"), 1);
        assert_eq!(complains("scripts/demo # a | b\ncurl -d '{\n  \"a\": 1}' \\\n  -s url"), 1);
    }

    #[test]
    fn a_missing_heading_is_found() {
        let file = File::example("consumers/inventory/README.md", "## Failures\n");
        assert_eq!(headings(&[file]).len(), HEADINGS.len() - 1);
        let file = File::example("query-api/README.md", "## Settings\n");
        assert_eq!(headings(&[file]), ["query-api/README.md: write the section `## Metrics`"]);
    }

    #[test]
    fn a_long_architecture_is_found() {
        assert_eq!(length(&File::example("docs/architecture.md", &"\n".repeat(151))).len(), 1);
    }
}
