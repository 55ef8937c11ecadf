//! Whether the brokers can be reached, as librdkafka reports it. Sends nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use chassis::health::Dependency;
use kafka_client::any_broker_up;
use rdkafka::ClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use tokio::sync::Notify;

const DOWN: u8 = 0;
const UP: u8 = 1;
/// Connected, and confirming nothing: packets are dropped, or the broker hangs.
const SILENT: u8 = 2;
/// Final: after a fatal error a producer only refuses.
const BROKEN: u8 = 3;

/// What somebody must do for a producer to go on.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Needs {
    Nothing,
    /// It is broken.
    Replacement,
    /// Its brokers are silent: only an answer shows that they are back.
    Answer,
}

/// What one producer knows of its brokers.
pub(crate) struct Connection {
    state: AtomicU8,
    dependency: Dependency,
    /// Told when the producer needs something.
    attention: Arc<Notify>,
    began: Instant,
    /// Milliseconds from `began` to the last delivery.
    delivered_ms: AtomicU64,
}

impl Connection {
    /// Down until a broker has answered.
    pub(crate) fn new(dependency: Dependency, attention: Arc<Notify>) -> Self {
        dependency.down("connecting to the brokers");
        let (state, delivered_ms) = (AtomicU8::new(DOWN), AtomicU64::new(0));
        Self { state, dependency, attention, began: Instant::now(), delivered_ms }
    }

    /// Whether a record handed over now has a broker to go to.
    pub(crate) fn is_up(&self) -> bool {
        self.state.load(Ordering::Relaxed) == UP
    }

    pub(crate) fn needs(&self) -> Needs {
        match self.state.load(Ordering::Relaxed) {
            BROKEN => Needs::Replacement,
            SILENT => Needs::Answer,
            _ => Needs::Nothing,
        }
    }

    /// A record was replicated.
    pub(crate) fn delivered(&self) {
        self.delivered_ms.store(self.elapsed_ms(), Ordering::Relaxed);
        self.answered();
    }

    /// A broker answered.
    pub(crate) fn answered(&self) {
        if !self.is_up() && (self.change(DOWN, UP) || self.change(SILENT, UP)) {
            self.dependency.up();
        }
    }

    /// A record had no report in time. Where no other one had in that time, none would: a
    /// connection on which packets are dropped looks like a good one for as long as TCP believes
    /// in it.
    pub(crate) fn timed_out(&self, within: Duration) {
        let delivered = Duration::from_millis(self.delivered_ms.load(Ordering::Relaxed));
        if self.began.elapsed().saturating_sub(delivered) >= within && self.change(UP, SILENT) {
            self.dependency.down("the brokers do not confirm records");
            self.attention.notify_one();
        }
    }

    /// A connection is made: enough, unless the brokers are known to be silent.
    fn connected(&self) {
        if self.change(DOWN, UP) {
            self.dependency.up();
        }
    }

    /// There is no connection.
    fn down(&self) {
        if self.change(UP, DOWN) || self.change(SILENT, DOWN) {
            self.dependency.down("no broker answers");
        }
    }

    /// The producer is of no more use.
    pub(crate) fn broken(&self, reason: &str) {
        if self.state.swap(BROKEN, Ordering::Relaxed) != BROKEN {
            tracing::error!(reason, "the producer is broken and will be rebuilt");
            self.dependency.down("the producer is being rebuilt");
            self.attention.notify_one();
        }
    }

    fn change(&self, from: u8, to: u8) -> bool {
        self.state.compare_exchange(from, to, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

/// librdkafka's callbacks.
#[derive(Clone)]
pub(crate) struct Watch(pub(crate) Arc<Connection>);

impl ClientContext for Watch {
    fn stats_raw(&self, statistics: &[u8]) {
        match any_broker_up(statistics) {
            true => self.0.connected(),
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
    fn brokers_that_confirm_nothing_are_down_until_one_answers() {
        let health = Health::default();
        let watch = watch(&health);
        watch.stats_raw(ONE_UP);
        watch.0.timed_out(Duration::from_secs(60));
        assert!(watch.0.is_up(), "a minute has not gone by");
        watch.0.timed_out(Duration::ZERO);
        watch.stats_raw(ONE_UP);
        assert_eq!(watch.0.needs(), Needs::Answer);
        assert!(!watch.0.is_up() && !health.not_ready().is_empty());
        watch.0.answered();
        assert!(watch.0.is_up() && health.not_ready().is_empty());
    }

    #[test]
    fn a_broken_producer_never_comes_back() {
        let health = Health::default();
        let watch = watch(&health);
        watch.stats_raw(ONE_UP);
        watch.error(KafkaError::Global(RDKafkaErrorCode::Fatal), "out of order");
        watch.stats_raw(ONE_UP);
        watch.0.delivered();
        assert!(!watch.0.is_up() && !health.not_ready().is_empty());
        assert_eq!(watch.0.needs(), Needs::Replacement);
    }
}
