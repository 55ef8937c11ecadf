//! The rules of the house that no lint can hold. No network; runs in a second. Every complaint says
//! what to do. The rules themselves are tested on broken examples beside them.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "tidy/crates.rs"]
mod crates;
#[path = "tidy/defects.rs"]
mod defects;
#[path = "tidy/documents.rs"]
mod documents;
#[path = "tidy/files.rs"]
mod files;
#[path = "tidy/grants.rs"]
mod grants;
#[path = "tidy/links.rs"]
mod links;
#[path = "tidy/manifests.rs"]
mod manifests;
#[path = "tidy/modules.rs"]
mod modules;
#[path = "tidy/rooms.rs"]
mod rooms;
#[path = "tidy/sources.rs"]
mod sources;

use files::{File, repository};

#[track_caller]
fn none(complaints: Vec<String>) {
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

/// What a rule says of every file of this kind.
#[track_caller]
fn every(kind: &str, rule: impl Fn(&File) -> Vec<String>) {
    let files: Vec<File> = repository().into_iter().filter(|file| file.is(kind)).collect();
    assert!(!files.is_empty(), "the rule looked at no {kind} file: it holds nothing");
    none(files.iter().flat_map(rule).collect());
}

#[test]
fn files_are_short() {
    every("rs", sources::length);
    every("sh", sources::length);
}

#[test]
fn every_source_file_begins_with_its_responsibility() {
    every("rs", sources::header);
}

#[test]
fn no_module_has_a_name_that_says_nothing() {
    every("rs", sources::name);
}

#[test]
fn unfinished_work_names_its_issue() {
    every("", sources::unfinished);
}

#[test]
fn no_function_is_excused_for_its_length() {
    every("rs", sources::excuses);
}

#[test]
fn nothing_names_a_path_of_one_machine() {
    every("", sources::machine_paths);
}

#[test]
fn decisions_reach_nothing_outside() {
    every("rs", sources::purity);
}

#[test]
fn every_source_file_is_part_of_a_crate() {
    none(modules::dead(&crates::metadata(), &repository()));
}

#[test]
fn dependencies_run_one_way() {
    none(crates::direction(&crates::dependencies(&crates::metadata())));
}

#[test]
fn no_crate_is_linked_with_what_it_must_do_without() {
    none(links::forbidden(&links::links(&links::resolved())));
}

#[test]
fn every_dependency_is_named_by_what_it_is_for() {
    none(manifests::unused(&crates::metadata()));
}

#[test]
fn every_dependency_that_the_workspace_offers_is_taken() {
    let files = repository();
    let manifest = files.iter().find(|file| file.path == "Cargo.toml").unwrap();
    none(manifests::offered(manifest, &crates::metadata()));
}

#[test]
fn the_rooms_of_the_runtime_know_each_other_one_way() {
    none(rooms::arrows(&repository()));
}

#[test]
fn the_chassis_holds_only_what_every_process_needs() {
    none(crates::chassis(&repository()));
}

#[test]
fn consumers_have_the_same_files() {
    none(crates::consumers(&repository()));
}

#[test]
fn services_are_documented_under_the_same_headings() {
    none(documents::headings(&repository()));
}

#[test]
fn paths_in_documents_exist() {
    every("md", documents::paths);
}

#[test]
fn what_documented_commands_run_is_installed() {
    let files = repository();
    let install = files.iter().find(|file| file.path == "scripts/install").unwrap();
    every("md", |file| documents::programs(file, install));
}

#[test]
fn the_map_of_the_architecture_is_short() {
    every("md", documents::length);
}

#[test]
fn every_table_has_a_decision_about_who_may_touch_it() {
    none(grants::every_table(&repository()));
}

#[test]
fn every_defect_is_of_production_code_and_is_run() {
    none(defects::complaints(&repository()));
}

#[test]
fn every_defect_still_fits_the_code() {
    none(defects::misfits());
}
