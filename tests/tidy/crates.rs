//! Rules between crates: who may depend on whom, and what each is made of.

use std::collections::BTreeMap;

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand};

use crate::files::{File, root};

/// What cargo knows of the workspace; asks no network.
pub(crate) fn metadata() -> Metadata {
    let manifest = root().join("Cargo.toml");
    MetadataCommand::new().manifest_path(manifest).no_deps().exec().unwrap()
}

/// What a crate depends on, also for its tests.
pub(crate) type Dependencies = BTreeMap<String, Vec<String>>;

pub(crate) fn dependencies(metadata: &Metadata) -> Dependencies {
    let of = |package: &cargo_metadata::Package| {
        let names = package.dependencies.iter().filter(|dependency| {
            // Its tests migrate the real tables that it reads.
            let reads = package.name == "query-api" && READ_IN_TESTS.contains(&&*dependency.name);
            let tests_only = reads || FOR_TESTS.contains(&&*dependency.name);
            !(tests_only && dependency.kind == DependencyKind::Development)
        });
        (package.name.to_string(), names.map(|dependency| dependency.name.clone()).collect())
    };
    metadata.workspace_packages().into_iter().map(of).collect()
}

/// What the tests of query-api may depend on, and it itself may not.
const READ_IN_TESTS: [&str; 2] = ["inventory", "runtime"];

/// What the tests of every crate may depend on, and none itself.
const FOR_TESTS: [&str; 2] = ["relay", "waiting"];

/// Of our crates, which one each may depend on.
const MAY: [(&str, &[&str]); 17] = [
    ("relay", &[]),
    ("waiting", &[]),
    ("fuzz", &[]),
    ("events-schema", &["fuzz"]),
    ("schema-registry", &["events-schema"]),
    ("chassis", &[]),
    ("kafka-client", &["chassis"]),
    ("postgres-client", &["chassis"]),
    ("http-chassis", &["chassis"]),
    (
        "producer-api",
        &["events-schema", "schema-registry", "chassis", "kafka-client", "http-chassis", "fuzz"],
    ),
    ("query-api", &["events-schema", "chassis", "postgres-client", "http-chassis", "fuzz"]),
    (
        "runtime",
        &["events-schema", "schema-registry", "chassis", "kafka-client", "postgres-client"],
    ),
    ("inventory", &["events-schema", "chassis", "postgres-client", "runtime"]),
    ("confirmation-email", &["events-schema", "chassis", "postgres-client", "runtime"]),
    ("analytics", &["events-schema", "chassis", "postgres-client", "runtime"]),
    (
        "orderctl",
        &["events-schema", "schema-registry", "chassis", "kafka-client", "postgres-client"],
    ),
    ("system-tests", &["events-schema", "chassis", "postgres-client", "relay", "waiting"]),
];

/// Of others' crates, which one each must not name, though what it depends on may: the runtime is the
/// consumers' only way to Kafka. What a crate is never linked with at all says `links`.
const MUST_NOT: [(&str, &[&str]); 3] = [
    ("inventory", &["rdkafka"]),
    ("confirmation-email", &["rdkafka"]),
    ("analytics", &["rdkafka"]),
];

/// Dependencies run one way (docs/architecture.md).
pub(crate) fn direction(dependencies: &Dependencies) -> Vec<String> {
    let mut complaints = Vec::new();
    for (name, all) in dependencies {
        let Some((_, may)) = MAY.iter().find(|(known, _)| known == name) else {
            complaints.push(format!("{name}: say in tests/tidy/crates.rs what it may depend on"));
            continue;
        };
        let must_not = MUST_NOT.iter().filter(|(known, _)| known == name).flat_map(|(_, not)| *not);
        let must_not: Vec<&str> = must_not.copied().collect();
        for other in all {
            let ours = dependencies.contains_key(other);
            if ours && !may.contains(&other.as_str()) || must_not.contains(&other.as_str()) {
                complaints.push(format!(
                    "{name} must not depend on {other}: see the invariants of docs/architecture.md"
                ));
            }
        }
    }
    complaints
}

/// The crate that would become the drawer for everything is listed by name.
const CHASSIS: [&str; 8] =
    ["backoff", "clock", "health", "lib", "probes", "process", "settings", "telemetry"];

pub(crate) fn chassis(files: &[File]) -> Vec<String> {
    let modules = files.iter().filter_map(|file| file.path.strip_prefix("chassis/src/"));
    let strange = modules.filter(|path| !CHASSIS.contains(&path.trim_end_matches(".rs")));
    let advice = "does every process need it? Then add it to tests/tidy/crates.rs, else move it";
    strange.map(|path| format!("chassis/src/{path}: {advice}")).collect()
}

const EVERY_CONSUMER_HAS: [&str; 8] = [
    "Cargo.toml",
    "README.md",
    "grants.sql",
    "src/main.rs",
    "src/lib.rs",
    "src/projection.rs",
    "src/decide.rs",
    "src/store.rs",
];
pub(crate) const CONSUMERS: [&str; 3] = ["inventory", "confirmation-email", "analytics"];

/// Who has read one consumer knows the others.
pub(crate) fn consumers(files: &[File]) -> Vec<String> {
    let exists = |path: &String| files.iter().any(|file| file.path == *path);
    let wanted = CONSUMERS.iter().flat_map(|consumer| {
        EVERY_CONSUMER_HAS.iter().map(move |file| format!("consumers/{consumer}/{file}"))
    });
    let missing = wanted.filter(|path| !exists(path));
    missing.map(|path| format!("{path}: every consumer has it: write it")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(name: &str, on: &[&str]) -> Dependencies {
        let mut all: Dependencies =
            MAY.iter().map(|(name, _)| ((*name).to_owned(), vec![])).collect();
        all.insert(name.to_owned(), on.iter().map(|on| (*on).to_owned()).collect());
        all
    }

    #[test]
    fn a_dependency_against_the_direction_is_found() {
        assert_eq!(direction(&graph("inventory", &["analytics"])).len(), 1);
        assert_eq!(direction(&graph("chassis", &["events-schema"])).len(), 1);
        assert_eq!(direction(&graph("analytics", &["rdkafka"])).len(), 1);
        assert_eq!(direction(&graph("query-api", &["kafka-client"])).len(), 1);
        assert!(direction(&graph("inventory", &["runtime", "sqlx"])).is_empty());
    }

    #[test]
    fn a_crate_that_nobody_placed_is_found() {
        assert_eq!(direction(&graph("surprise", &[])).len(), 1);
    }

    #[test]
    fn a_new_module_of_the_chassis_is_found() {
        assert_eq!(chassis(&[File::example("chassis/src/strings.rs", "")]).len(), 1);
    }

    #[test]
    fn a_consumer_without_its_files_is_found() {
        assert_eq!(consumers(&[]).len(), EVERY_CONSUMER_HAS.len() * CONSUMERS.len());
    }
}
