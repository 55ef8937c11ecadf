//! The names of a projection's topics on this deployment's brokers.

use events_schema::Topic;
use kafka_client::KafkaSettings;

/// Topics and their names, with the deployment's prefix.
#[derive(Debug, Clone)]
pub(crate) struct TopicNames(Vec<(Topic, String)>);

impl TopicNames {
    pub(crate) fn new(kafka: &KafkaSettings) -> Self {
        Self(Topic::ALL.iter().map(|topic| (*topic, kafka.prefixed(topic.name()))).collect())
    }

    pub(crate) fn name(&self, topic: Topic) -> &str {
        self.0.iter().find(|entry| entry.0 == topic).map_or("", |entry| &entry.1)
    }

    pub(crate) fn topic(&self, name: &str) -> Option<Topic> {
        self.0.iter().find(|entry| entry.1 == name).map(|entry| entry.0)
    }

    /// As a deployment without a prefix has them.
    pub(crate) fn unprefixed() -> Self {
        Self(Topic::ALL.iter().map(|topic| (*topic, topic.name().to_owned())).collect())
    }
}
