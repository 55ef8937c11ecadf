//! How many files, and so connections, the process may open. Opens none.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Takes what the hard limit allows: the soft one, 1024 on most machines, is there for programs
/// that use `select`, and at it no more connections are taken, nor files opened. Says so where that
/// is less than the `connections` that the settings let in.
pub(crate) fn allow(connections: u64) {
    let maximum = getrlimit(Resource::Nofile).maximum;
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        tracing::warn!(%error, "the limit of open files could not be raised");
    }
    match getrlimit(Resource::Nofile).current {
        Some(files) if files <= connections => tracing::info!(
            files,
            connections,
            "fewer open files are allowed than HTTP_CONNECTIONS_MAX lets connections in"
        ),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_that_the_hard_limit_allows_can_be_opened() {
        let limit = getrlimit(Resource::Nofile);
        let lower = limit.maximum.map_or(512, |maximum| maximum.min(512));
        setrlimit(Resource::Nofile, Rlimit { current: Some(lower), ..limit }).unwrap();
        allow(10_000);
        assert_eq!(getrlimit(Resource::Nofile).current, limit.maximum);
    }
}
