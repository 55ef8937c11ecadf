//! Whether the brokers can be reached, as librdkafka reports it. Sends nothing.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use chassis::health::Dependency;
use rdkafka::ClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use serde::Deserialize;
use tokio::sync::Notify;

const DOWN: u8 = 0;
const UP: u8 = 1;
/// Final: after a fatal error a producer only refuses.
const BROKEN: u8 = 2;

/// What one producer knows of its brokers.
pub(crate) struct Connection {
    state: AtomicU8,
    dependency: Dependency,
    /// Told once when the producer is broken.
    broken: Arc<Notify>,
}

impl Connection {
    /// Down until a broker has answered.
    pub(crate) fn new(dependency: Dependency, broken: Arc<Notify>) -> Self {
        dependency.down("connecting to the brokers");
        Self { state: AtomicU8::new(DOWN), dependency, broken }
    }

    /// Whether a record handed over now has a broker to go to.
    pub(crate) fn is_up(&self) -> bool {
        self.state.load(Ordering::Relaxed) == UP
    }

    /// A broker answered.
    pub(crate) fn up(&self) {
        let changed =
            self.state.compare_exchange(DOWN, UP, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        if changed {
            self.dependency.up();
        }
    }

    /// No broker answers.
    fn down(&self) {
        let changed =
            self.state.compare_exchange(UP, DOWN, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        if changed {
            self.dependency.down("no broker answers");
        }
    }

    /// The producer is of no more use.
    pub(crate) fn broken(&self, reason: &str) {
        if self.state.swap(BROKEN, Ordering::Relaxed) != BROKEN {
            tracing::error!(reason, "the producer is broken and will be rebuilt");
            self.dependency.down("the producer is being rebuilt");
            self.broken.notify_one();
        }
    }
}

/// librdkafka's callbacks.
#[derive(Clone)]
pub(crate) struct Watch(pub(crate) Arc<Connection>);

impl ClientContext for Watch {
    fn stats_raw(&self, statistics: &[u8]) {
        match any_broker_up(statistics) {
            true => self.0.up(),
            false => self.0.down(),
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::AllBrokersDown) => self.0.down(),
            Some(RDKafkaErrorCode::Fatal) => self.0.broken(reason),
            _ => tracing::debug!(%error, reason, "librdkafka"),
        }
    }
}

/// Only what is asked of the statistics: all of it is 14 KB of JSON each second.
fn any_broker_up(statistics: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Statistics<'a> {
        #[serde(borrow)]
        brokers: HashMap<&'a str, Broker<'a>>,
    }
    #[derive(Deserialize)]
    struct Broker<'a> {
        state: &'a str,
    }
    let parsed = serde_json::from_slice::<Statistics<'_>>(statistics);
    parsed.is_ok_and(|parsed| parsed.brokers.values().any(|broker| broker.state == "UP"))
}

#[cfg(test)]
mod tests {
    use chassis::health::Health;

    use super::*;

    const ONE_UP: &[u8] =
        br#"{"type":"producer","brokers":{"a:1/1":{"state":"UP"},"b:1/2":{"state":"DOWN"}}}"#;
    const NONE_UP: &[u8] = br#"{"type":"producer","brokers":{"a:1/1":{"state":"TRY_CONNECT"}}}"#;

    fn watch(health: &Health) -> Watch {
        Watch(Arc::new(Connection::new(health.dependency("kafka"), Arc::default())))
    }

    #[test]
    fn readiness_follows_the_brokers() {
        let health = Health::default();
        let watch = watch(&health);
        assert!(!watch.0.is_up() && !health.not_ready().is_empty());
        watch.stats_raw(ONE_UP);
        assert!(watch.0.is_up() && health.not_ready().is_empty());
        watch.error(KafkaError::Global(RDKafkaErrorCode::AllBrokersDown), "");
        assert!(!watch.0.is_up() && !health.not_ready().is_empty());
        watch.stats_raw(ONE_UP);
        watch.stats_raw(NONE_UP);
        assert!(!watch.0.is_up());
    }

    #[test]
    fn a_broken_producer_never_comes_back() {
        let health = Health::default();
        let watch = watch(&health);
        watch.stats_raw(ONE_UP);
        watch.error(KafkaError::Global(RDKafkaErrorCode::Fatal), "out of order");
        watch.stats_raw(ONE_UP);
        assert!(!watch.0.is_up() && !health.not_ready().is_empty());
    }
}
