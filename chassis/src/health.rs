//! What the parts of a process say of themselves: dependencies, heartbeats, remarks. Decides nothing.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

/// What the parts of a process say of themselves. Clones share it.
#[derive(Clone, Default)]
pub struct Health {
    parts: Arc<Mutex<Parts>>,
}

#[derive(Default)]
struct Parts {
    dependencies: BTreeMap<String, Option<String>>,
    /// Of whoever still lives: who dropped his heartbeat is not late.
    pulses: Vec<Weak<Pulse>>,
    remarks: BTreeMap<String, String>,
}

/// A dependency or a named state that readiness hangs on. Down until it is first reported up.
#[derive(Clone)]
pub struct Dependency {
    name: String,
    health: Health,
}

/// Something that must happen again and again for the process to be alive, until it is dropped.
pub struct Heartbeat(Arc<Pulse>);

/// Beats come once a record and more often, so they take no lock.
struct Pulse {
    name: String,
    within: Duration,
    begun: Instant,
    /// Milliseconds after `begun`.
    last: AtomicU64,
}

impl Health {
    /// A dependency under this name, down ("starting") until it is reported up.
    pub fn dependency(&self, name: impl Into<String>) -> Dependency {
        let dependency = Dependency { name: name.into(), health: self.clone() };
        dependency.down(STARTING);
        dependency
    }

    /// A heartbeat that must be repeated within `within`, for as long as it is kept; it beats once now.
    pub fn heartbeat(&self, name: impl Into<String>, within: Duration) -> Heartbeat {
        let (name, begun, last) = (name.into(), Instant::now(), AtomicU64::new(0));
        let pulse = Arc::new(Pulse { name, within, begun, last });
        self.with(|parts| {
            parts.pulses.retain(|pulse| pulse.strong_count() > 0);
            parts.pulses.push(Arc::downgrade(&pulse));
        });
        Heartbeat(pulse)
    }

    /// What whoever asks for readiness is told, though it keeps nobody from being ready; `None`
    /// takes it back.
    pub fn remark(&self, name: &str, remark: Option<&str>) {
        self.with(|parts| match remark {
            Some(remark) => parts.remarks.insert(name.to_owned(), remark.to_owned()),
            None => parts.remarks.remove(name),
        });
    }

    /// The remarks as they are now.
    pub fn remarks(&self) -> BTreeMap<String, String> {
        self.with(|parts| parts.remarks.clone())
    }

    /// Every dependency, with the reason where it is down.
    pub fn dependencies(&self) -> BTreeMap<String, Option<String>> {
        self.with(|parts| parts.dependencies.clone())
    }

    /// The reasons why the process is not ready, by dependency; empty when it is.
    pub fn not_ready(&self) -> BTreeMap<String, String> {
        self.dependencies()
            .into_iter()
            .filter_map(|(name, why)| why.map(|why| (name, why)))
            .collect()
    }

    /// The heartbeats that are overdue; empty when the process is alive.
    pub fn overdue(&self) -> Vec<String> {
        let pulses: Vec<_> =
            self.with(|parts| parts.pulses.iter().filter_map(Weak::upgrade).collect());
        let late = pulses.iter().filter(|pulse| pulse.silent_for() > pulse.within);
        late.map(|pulse| pulse.name.clone()).collect()
    }

    fn with<T>(&self, f: impl FnOnce(&mut Parts) -> T) -> T {
        f(&mut self.parts.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Dependency {
    /// It works.
    pub fn up(&self) {
        self.set(None);
    }

    /// It does not, for this reason. The reason is shown to whoever asks: no secrets.
    pub fn down(&self, reason: impl Into<String>) {
        self.set(Some(reason.into()));
    }

    /// It is gone for good, such as a partition that another worker took.
    pub fn forget(&self) {
        self.health.with(|parts| parts.dependencies.remove(&self.name));
    }

    fn set(&self, reason: Option<String>) {
        let before =
            self.health.with(|parts| parts.dependencies.insert(self.name.clone(), reason.clone()));
        match reason {
            _ if !is_news(before.as_ref(), reason.as_deref()) => {}
            Some(reason) => tracing::warn!(dependency = self.name, reason, "dependency down"),
            None => tracing::info!(dependency = self.name, "dependency up"),
        }
    }
}

/// What a dependency is called that has not been reported yet.
const STARTING: &str = "starting";

/// Whether the log must say it: that it works or does not, and what is in its way from the start.
fn is_news(before: Option<&Option<String>>, now: Option<&str>) -> bool {
    match (before.map(Option::as_deref), now) {
        (_, Some(STARTING)) => false,
        (Some(Some(reason)), Some(_)) => reason == STARTING,
        (Some(None), None) => false,
        _ => true,
    }
}

impl Heartbeat {
    /// Progress was made now.
    pub fn beat(&self) {
        let since = self.0.begun.elapsed().as_millis();
        self.0.last.store(u64::try_from(since).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

impl Pulse {
    fn silent_for(&self) -> Duration {
        let last = Duration::from_millis(self.last.load(Ordering::Relaxed));
        self.begun.elapsed().saturating_sub(last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dependency_down_from_the_start_is_said_once() {
        let down = |reason: &str| Some(reason.to_owned());
        assert!(!is_news(None, Some(STARTING)));
        assert!(is_news(Some(&down(STARTING)), Some("no broker answers")));
        assert!(!is_news(Some(&down("no broker answers")), Some("no broker answers")));
        assert!(is_news(Some(&down("no broker answers")), None));
        assert!(!is_news(Some(&None), None));
        assert!(is_news(Some(&None), Some("no broker answers")));
    }

    #[test]
    fn a_heartbeat_is_overdue_until_it_beats_again() {
        let health = Health::default();
        let heartbeat = health.heartbeat("worker 0", Duration::from_millis(20));
        let _idle = health.heartbeat("publisher", Duration::from_secs(60));
        assert!(health.overdue().is_empty());
        while heartbeat.0.silent_for() <= heartbeat.0.within {
            std::thread::yield_now();
        }
        assert_eq!(health.overdue(), ["worker 0"]);
        heartbeat.beat();
        assert!(health.overdue().is_empty());
    }

    #[test]
    fn a_heartbeat_ends_with_its_owner() {
        let health = Health::default();
        let first = health.heartbeat("worker 0", Duration::ZERO);
        while first.0.silent_for().is_zero() {}
        assert_eq!(health.overdue(), ["worker 0"]);
        drop(first);
        assert!(health.overdue().is_empty());
    }
}
