//! What a crate is linked with, through whatever lies between. Its tests are not looked at.

use std::collections::{HashMap, VecDeque};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, NodeDep, PackageId};

use crate::files::root;

/// The whole graph, as cargo resolved it for this kind of machine. Asks the network only for what was
/// never built here.
pub(crate) fn resolved() -> Metadata {
    let platform = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let options = ["--locked".to_owned(), "--filter-platform".to_owned(), platform];
    let manifest = root().join("Cargo.toml");
    MetadataCommand::new().manifest_path(manifest).other_options(options).exec().unwrap()
}

/// Who is linked with what, by name; without what only tests or build scripts need.
type Links = HashMap<String, Vec<String>>;

pub(crate) fn links(metadata: &Metadata) -> Links {
    let name = |id: &PackageId| metadata[id].name.to_string();
    let is_linked =
        |need: &&NodeDep| need.dep_kinds.iter().any(|kind| kind.kind == DependencyKind::Normal);
    let nodes = metadata.resolve.as_ref().map(|resolve| resolve.nodes.as_slice());
    let mut links = Links::new();
    for node in nodes.unwrap_or_default() {
        let needs = node.deps.iter().filter(is_linked).map(|need| name(&need.pkg));
        // Two versions of a crate are one to these rules.
        links.entry(name(&node.id)).or_default().extend(needs);
    }
    links
}

/// What each of our crates must never be linked with.
const MUST_NOT_LINK: [(&str, &[&str]); 9] = [
    ("events-schema", &["rdkafka-sys", "sqlx-core", "actix-web", "reqwest", "tokio"]),
    ("schema-registry", &["rdkafka-sys", "sqlx-core", "actix-web"]),
    ("chassis", &["rdkafka-sys", "sqlx-core", "reqwest"]),
    ("kafka-client", &["sqlx-core", "reqwest"]),
    ("postgres-client", &["rdkafka-sys", "reqwest"]),
    ("http-chassis", &["rdkafka-sys", "sqlx-core", "reqwest"]),
    ("producer-api", &["sqlx-core"]),
    ("query-api", &["rdkafka-sys", "reqwest"]),
    ("runtime", &["http-chassis"]),
];

pub(crate) fn forbidden(links: &Links) -> Vec<String> {
    let pairs = MUST_NOT_LINK.iter().flat_map(|(from, all)| all.iter().map(move |to| (*from, *to)));
    let complaint = |(from, to)| {
        let way = way(links, from, to)?.join(" → ");
        Some(format!("{way}: {from} must do without {to}: see docs/architecture.md"))
    };
    pairs.filter_map(complaint).collect()
}

/// The shortest way from one crate to another.
fn way<'a>(links: &'a Links, from: &'a str, to: &str) -> Option<Vec<&'a str>> {
    let mut came_from = HashMap::from([(from, None)]);
    let mut waiting = VecDeque::from([from]);
    while let Some(at) = waiting.pop_front() {
        if at == to {
            let back = std::iter::successors(Some(at), |at| came_from.get(at).copied().flatten());
            let mut way: Vec<&str> = back.collect();
            way.reverse();
            return Some(way);
        }
        for next in links.get(at).into_iter().flatten() {
            came_from.entry(next).or_insert_with(|| {
                waiting.push_back(next);
                Some(at)
            });
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(pairs: &[(&str, &str)]) -> Links {
        let mut links = Links::new();
        for (from, to) in pairs {
            links.entry((*from).to_owned()).or_default().push((*to).to_owned());
        }
        links
    }

    #[test]
    fn a_forbidden_crate_is_found_through_others_and_the_way_is_named() {
        let links = graph(&[
            ("producer-api", "helper"),
            ("helper", "sqlx"),
            ("sqlx", "sqlx-core"),
            ("sqlx-core", "helper"),
        ]);
        let found = forbidden(&links);
        let [complaint] = found.as_slice() else { panic!("{found:?}") };
        assert!(complaint.starts_with("producer-api → helper → sqlx → sqlx-core:"), "{complaint}");
        assert!(forbidden(&graph(&[("query-api", "sqlx"), ("sqlx", "sqlx-core")])).is_empty());
    }

    /// A name that no crate has would forbid nothing.
    #[test]
    fn what_is_forbidden_exists() {
        let links = links(&resolved());
        for (from, all) in MUST_NOT_LINK {
            assert!(links.contains_key(from), "{from}");
            assert!(all.iter().all(|name| links.contains_key(*name)), "{all:?}");
        }
    }
}
