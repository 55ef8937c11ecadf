//! Whether the brokers answer: told by what was delivered, and by a question where nothing was. Sends no
//! records.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use chassis::health::Dependency;
use krafka::admin::{DescribeTopicsOptions, TopicDescription};
use krafka::{Kafka, KrafkaError};

/// Between two looks at what was delivered.
const LOOK: Duration = Duration::from_millis(250);
/// Brokers that were silent for so long are asked, though nothing is on its way to them.
const IDLE: Duration = Duration::from_secs(1);
/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(2);

/// What is known of the brokers.
pub(crate) struct Connection {
    is_up: AtomicBool,
    dependency: Dependency,
    began: Instant,
    /// Milliseconds from `began` to the last sign of life.
    heard_ms: AtomicU64,
    /// The same to the last delivery.
    delivered_ms: AtomicU64,
}

impl Connection {
    /// Down until a broker has answered.
    pub(crate) fn new(dependency: Dependency) -> Self {
        dependency.down("connecting to the brokers");
        let [heard_ms, delivered_ms] = [AtomicU64::new(0), AtomicU64::new(0)];
        let is_up = AtomicBool::new(false);
        Self { is_up, dependency, began: Instant::now(), heard_ms, delivered_ms }
    }

    /// Whether a record handed over now has a broker to go to.
    pub(crate) fn is_up(&self) -> bool {
        self.is_up.load(Ordering::Relaxed)
    }

    /// A record was replicated.
    pub(crate) fn delivered(&self) {
        let now = self.elapsed_ms();
        self.delivered_ms.store(now, Ordering::Relaxed);
        self.heard(now);
    }

    /// A broker answered.
    pub(crate) fn answered(&self) {
        self.heard(self.elapsed_ms());
    }

    fn heard(&self, now: u64) {
        self.heard_ms.store(now, Ordering::Relaxed);
        // Looked at first: this is said of every record.
        if !self.is_up() && !self.is_up.swap(true, Ordering::Relaxed) {
            self.dependency.up();
        }
    }

    /// A record had no report in time. Where no other one had in that time, none would: a connection
    /// on which packets are dropped looks like a good one for as long as TCP believes in it.
    pub(crate) fn timed_out(&self, within: Duration) {
        if self.since(&self.delivered_ms) >= within {
            self.down("the brokers do not confirm records");
        }
    }

    /// No record goes to the brokers now.
    pub(crate) fn down(&self, reason: &str) {
        if self.is_up.swap(false, Ordering::Relaxed) {
            self.dependency.down(reason);
        }
    }

    /// Asks the brokers about the topic of orders whenever they were silent: often while records are on
    /// their way or they are known to be away, once a second otherwise. Never ends.
    pub(crate) async fn watch(
        &self,
        kafka: &Kafka,
        topic: &str,
        are_under_way: impl Fn() -> bool,
    ) -> Infallible {
        let admin = kafka.admin();
        loop {
            tokio::time::sleep(LOOK).await;
            let silence = if self.is_up() && !are_under_way() { IDLE } else { LOOK };
            if self.since(&self.heard_ms) < silence {
                continue;
            }
            let within = DescribeTopicsOptions::default().timeout(ANSWER);
            match admin.describe_topics([topic], within).await {
                Ok(topics) if is_answer(&topics) => self.answered(),
                Ok(_) | Err(_) => self.down("no broker answers"),
            }
        }
    }

    fn since(&self, moment: &AtomicU64) -> Duration {
        self.began.elapsed().saturating_sub(Duration::from_millis(moment.load(Ordering::Relaxed)))
    }

    fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

/// Whether a broker said it, be it that there is no such topic.
fn is_answer(topics: &HashMap<String, Result<TopicDescription, KrafkaError>>) -> bool {
    let broker_said = |error: &KrafkaError| {
        matches!(error, KrafkaError::Broker { .. } | KrafkaError::UnknownTopic { .. })
    };
    topics.values().any(|topic| topic.as_ref().err().is_none_or(broker_said))
}

#[cfg(test)]
mod tests {
    use chassis::health::Health;

    use super::*;

    fn connection(health: &Health) -> Connection {
        Connection::new(health.dependency("kafka"))
    }

    #[test]
    fn readiness_follows_the_brokers() {
        let health = Health::default();
        let connection = connection(&health);
        assert!(!connection.is_up() && !health.not_ready().is_empty());
        connection.answered();
        assert!(connection.is_up() && health.not_ready().is_empty());
        connection.down("no broker answers");
        assert!(!connection.is_up() && !health.not_ready().is_empty());
        connection.delivered();
        assert!(connection.is_up() && health.not_ready().is_empty());
    }

    #[test]
    fn brokers_that_confirm_nothing_are_down_until_one_answers() {
        let health = Health::default();
        let connection = connection(&health);
        connection.answered();
        connection.timed_out(Duration::from_secs(60));
        assert!(connection.is_up(), "a minute has not gone by");
        connection.timed_out(Duration::ZERO);
        assert!(!connection.is_up() && !health.not_ready().is_empty());
        connection.answered();
        assert!(connection.is_up() && health.not_ready().is_empty());
    }
}
