//! Under which name a worker is known to its group over restarts. Two processes beside each other
//! never choose the same one by themselves.

use std::collections::BTreeSet;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::{Mutex, PoisonError};

use chassis::health::Health;
use uuid::Uuid;

use crate::settings::worker_id::{WorkerId, is_name};

/// More processes of one group than a host ever runs.
const SLOTS: usize = 4096;

/// The name of this process, and the workers that lost theirs.
pub(crate) struct Identity {
    name: Option<String>,
    /// Held as long as the process lives: the kernel gives it back, however the process ends.
    _slot: Option<UnixDatagram>,
    lost: Mutex<BTreeSet<usize>>,
}

impl Identity {
    /// Takes the name for a process of this group. Without a name, work goes on.
    pub(crate) fn take(wish: &WorkerId, group: &str) -> Self {
        let (name, slot) = match wish {
            WorkerId::None => (None, None),
            WorkerId::Named(name) => (Some(name.clone()), None),
            WorkerId::OfHost => match of_host(group) {
                Ok((name, slot)) => (Some(name), Some(slot)),
                Err(error) => {
                    tracing::warn!(%error, "no name for this process; set WORKER_ID");
                    (None, None)
                }
            },
        };
        Self { name, _slot: slot, lost: Mutex::default() }
    }

    /// The name of worker number `index`, while it has one.
    pub(crate) fn of_worker(&self, projection: &str, index: usize) -> Option<String> {
        let lost = self.lost.lock().unwrap_or_else(PoisonError::into_inner);
        let name = self.name.as_ref().filter(|_| !lost.contains(&index))?;
        Some(format!("{projection}-{name}-{index}"))
    }

    /// Another process joined the group under the worker's name. Both would drive each other out
    /// for ever: this one goes on without a name, and says so until somebody has looked at it.
    pub(crate) fn lose(&self, projection: &str, index: usize, health: &Health) {
        let Some(name) = self.of_worker(projection, index) else { return };
        let why = format!("another process is {name}: give each its own WORKER_ID and restart it");
        health.dependency(format!("identity {index}")).down(why);
        self.lost.lock().unwrap_or_else(PoisonError::into_inner).insert(index);
    }
}

/// The first free slot. A socket's abstract name is one per network namespace, and so is a host's
/// name for all practical purposes: processes that share the one share the other, also the
/// containers of a pod, which share no folder in which a file could be locked.
fn of_host(group: &str) -> io::Result<(String, UnixDatagram)> {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname")?;
    let host = host.trim();
    if !is_name(host) {
        return Err(io::Error::other("the host's name has characters that Kafka does not allow"));
    }
    // A socket's name is short.
    let group = Uuid::new_v5(&Uuid::NAMESPACE_OID, group.as_bytes());
    for slot in 0..SLOTS {
        let name = format!("orderflow/{group}/{slot}");
        match UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(name)?) {
            Ok(socket) => return Ok((format!("{host}-{slot}"), socket)),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::other("every number is taken"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(identity: &Identity) -> String {
        identity.of_worker("shelf", 0).unwrap()
    }

    #[test]
    fn two_processes_have_two_names_and_a_successor_takes_the_free_one() {
        let group = format!("test-{}", Uuid::now_v7());
        let take = || Identity::take(&WorkerId::OfHost, &group);
        let (first, second) = (take(), take());
        let names = [name(&first), name(&second)];
        assert_ne!(names[0], names[1]);
        assert!(names[0].starts_with("shelf-") && names[0].ends_with("-0-0"), "{names:?}");
        drop(first);
        assert_eq!(name(&take()), names[0]);
    }

    #[test]
    fn a_configured_name_is_kept_and_none_means_no_name() {
        let parse = |text: &str| WorkerId::parse(text.to_owned());
        assert_eq!(parse("none"), Ok(WorkerId::None));
        let named = Identity::take(&parse("blue-1").unwrap(), "group");
        assert_eq!(name(&named), "shelf-blue-1-0");
        assert_eq!(Identity::take(&WorkerId::None, "group").of_worker("shelf", 0), None);
        for wrong in ["a b", "a/b", "ä", &"a".repeat(201)] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_worker_that_lost_its_name_says_so_and_the_others_keep_theirs() {
        let identity = Identity::take(&WorkerId::Named("blue".to_owned()), "group");
        let health = Health::default();
        identity.lose("shelf", 1, &health);
        assert_eq!(identity.of_worker("shelf", 1), None);
        assert!(identity.of_worker("shelf", 0).is_some());
        assert!(health.not_ready()["identity 1"].contains("WORKER_ID"));
    }
}
