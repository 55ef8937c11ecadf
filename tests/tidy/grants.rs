//! Every table of a projection is one about which somebody decided who may touch it.

use crate::crates::CONSUMERS;
use crate::files::File;

/// Who adds a table says in the list beside the migrations who may do what with it, be it nothing.
pub(crate) fn every_table(files: &[File]) -> Vec<String> {
    let runtime = ["runtime"];
    let folders = CONSUMERS.iter().chain(&runtime);
    folders.flat_map(|folder| undecided(&format!("consumers/{folder}/"), files)).collect()
}

fn undecided(folder: &str, files: &[File]) -> Vec<String> {
    let list = format!("{folder}grants.sql");
    let grants = files.iter().find(|file| file.path == list);
    let grants: Vec<String> =
        grants.map(|file| named_after(&file.text, " ON ")).unwrap_or_default();
    let migrations = files
        .iter()
        .filter(|file| file.path.starts_with(&format!("{folder}migrations/")) && file.is("sql"));
    let tables = migrations.flat_map(|file| {
        ["CREATE TABLE ", "CREATE VIEW ", "CREATE MATERIALIZED VIEW "]
            .iter()
            .flat_map(|made| named_after(&file.text, made))
            .collect::<Vec<String>>()
    });
    let undecided = tables.filter(|table| !grants.contains(table));
    undecided.map(|table| format!("{list}: say who may do what with {table}")).collect()
}

/// The word behind each of these, without comments.
fn named_after(sql: &str, what: &str) -> Vec<String> {
    let lines = sql.lines().filter(|line| !line.trim_start().starts_with("--"));
    let sql = lines.collect::<Vec<_>>().join(" ");
    let words = sql.split(what).skip(1).filter_map(|rest| {
        let rest = rest.trim_start().trim_start_matches("IF NOT EXISTS ");
        rest.split(|c: char| !c.is_alphanumeric() && c != '_').next()
    });
    words.map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaints(migration: &str, grants: &str) -> usize {
        let migration = File::example("consumers/runtime/migrations/0001_a.sql", migration);
        let grants = File::example("consumers/runtime/grants.sql", grants);
        every_table(&[migration, grants]).len()
    }

    #[test]
    fn a_table_that_nobody_decided_about_is_found() {
        let made = "CREATE TABLE a (\n b int);\nCREATE VIEW c AS SELECT 1;";
        assert_eq!(complaints(made, ""), 2);
        assert_eq!(complaints(made, "GRANT SELECT ON a TO x;\n-- GRANT SELECT ON c TO x;"), 1);
        assert_eq!(
            complaints(made, "GRANT SELECT (b)\n    ON a TO x;\nREVOKE ALL ON c FROM x;"),
            0
        );
    }
}
