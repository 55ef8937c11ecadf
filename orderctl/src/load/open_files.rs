//! How many connections this process may have open. Opens none.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Files that are open besides: standard streams, the data, the ledger, the runtime's own.
const OTHERS: u64 = 64;

/// Raises the soft limit of open files as far as `connections` need and the hard limit allows;
/// returns for how many of them there is room.
pub(crate) fn room_for(connections: usize) -> usize {
    let needed = connections as u64 + OTHERS;
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current.is_some_and(|current| current < needed) {
        let raised = maximum.map_or(needed, |maximum| maximum.min(needed));
        // What is refused leaves the limit as it was, and that is what counts below.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: Some(raised), maximum });
    }
    let allowed = getrlimit(Resource::Nofile).current.unwrap_or(needed);
    usize::try_from(allowed.saturating_sub(OTHERS)).unwrap_or(connections).min(connections)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_room_for_what_the_limit_allows_and_no_more_than_asked_for() {
        assert_eq!(room_for(1), 1);
        let hard = getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX);
        let room = room_for(usize::MAX >> 1) as u64;
        assert_eq!(room, hard.saturating_sub(OTHERS).min((usize::MAX >> 1) as u64));
    }
}
