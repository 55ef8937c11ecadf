//! How a client of Kafka is set up: every librdkafka option of the system stands here, with its
//! reason. Sends and receives nothing.

use std::time::Duration;

use rdkafka::ClientConfig;

use crate::settings::{self, SettingsError};

/// Which cluster, and under which names.
#[derive(Debug, Clone)]
pub struct KafkaSettings {
    /// `KAFKA_BOOTSTRAP_SERVERS`: `host:port`, comma-separated.
    pub bootstrap_servers: String,
    /// `KAFKA_PREFIX`: put before every topic and group, so that deployments can share a cluster;
    /// empty by default.
    pub prefix: String,
    /// `KAFKA_OPTIONS`: further librdkafka options as `name=value`, comma-separated: TLS, SASL.
    options: Vec<(String, String)>,
}

impl KafkaSettings {
    /// Reads them from the environment.
    ///
    /// # Errors
    /// When the servers are not named or an option is not `name=value`.
    pub fn from_env() -> Result<Self, SettingsError> {
        let text = settings::optional("KAFKA_OPTIONS").unwrap_or_default();
        let pair = |option: &str| {
            let (name, value) = option
                .split_once('=')
                .ok_or(SettingsError::Invalid("KAFKA_OPTIONS", "name=value,name=value"))?;
            Ok((name.trim().to_owned(), value.trim().to_owned()))
        };
        let options = text.split(',').filter(|option| !option.trim().is_empty()).map(pair);
        Ok(Self {
            bootstrap_servers: settings::required("KAFKA_BOOTSTRAP_SERVERS")?,
            prefix: settings::optional("KAFKA_PREFIX").unwrap_or_default(),
            options: options.collect::<Result<_, _>>()?,
        })
    }

    /// A cluster that is known without the environment, as in a test.
    pub fn at(bootstrap_servers: impl Into<String>, prefix: impl Into<String>) -> Self {
        let (bootstrap_servers, prefix) = (bootstrap_servers.into(), prefix.into());
        Self { bootstrap_servers, prefix, options: Vec::new() }
    }

    /// A topic's or group's name in this deployment.
    pub fn prefixed(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// What every client has.
    pub fn client(&self, client_id: &str) -> ClientConfig {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &self.bootstrap_servers)
            .set("client.id", client_id)
            // A small request must not wait for the answer to the one before (Nagle).
            .set("socket.nagle.disable", "true")
            // A broker that comes back should be noticed in well under a second.
            .set("reconnect.backoff.ms", "50")
            .set("reconnect.backoff.max.ms", "1000");
        for (name, value) in &self.options {
            config.set(name, value);
        }
        config
    }

    /// A producer that loses and doubles nothing. `timeout` bounds how long a record may be
    /// without an answer; `None` waits for ever, for what is kept elsewhere until it is answered.
    pub fn producer(&self, client_id: &str, timeout: Option<Duration>) -> ClientConfig {
        let timeout_ms = timeout.map_or(0, |timeout| timeout.as_millis());
        let mut config = self.client(client_id);
        config
            // 202 means replicated.
            .set("acks", "all")
            // A retry inside the client neither doubles nor reorders.
            .set("enable.idempotence", "true")
            .set("message.timeout.ms", timeout_ms.to_string())
            // The Java client's partitioner, so that clients of any language agree.
            .set("partitioner", "murmur2_random")
            // Long enough to fill a batch under load, short enough not to be noticed alone.
            .set("linger.ms", "2")
            .set("statistics.interval.ms", "1000");
        config
    }

    /// A [producer](Self::producer) for records that somebody is waiting for: it refuses the record
    /// that is one too many instead of letting the queue, and with it memory and waits, grow.
    pub fn request_producer(
        &self,
        client_id: &str,
        timeout: Duration,
        records_max: usize,
    ) -> ClientConfig {
        let mut config = self.producer(client_id, Some(timeout));
        config
            .set("queue.buffering.max.messages", records_max.to_string())
            .set("queue.buffering.max.kbytes", "131072");
        config
    }

    /// A reader that belongs to no group: it is told its partitions, and commits nothing.
    pub fn reader(&self, client_id: &str) -> ClientConfig {
        let mut config = self.client(client_id);
        config
            // librdkafka wants a group even where none is joined.
            .set("group.id", format!("{client_id}-reader"))
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            // A reader that is lost stops; it never skips.
            .set("auto.offset.reset", "error")
            .set("enable.partition.eof", "true")
            // The default of a second starves a reader whenever its queue was full.
            .set("fetch.queue.backoff.ms", "10")
            .set("queued.max.messages.kbytes", "65536");
        config
    }

    /// A member of a consumer group. Positions are kept in Postgres: the group only shares out
    /// the partitions.
    pub fn group_member(&self, group: &str, instance: Option<&str>) -> ClientConfig {
        let mut config = self.client(group);
        config
            .set("group.id", self.prefixed(group))
            // Only the partitions that move are taken away. The protocol of KIP-848 is slower on
            // today's brokers (a pause of 4.1 s instead of 1.0 s in a rolling restart).
            .set("partition.assignment.strategy", "cooperative-sticky")
            .set("session.timeout.ms", "6000")
            .set("heartbeat.interval.ms", "500")
            // The poll thread always polls; a member that does not is stuck.
            .set("max.poll.interval.ms", "60000")
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("auto.offset.reset", "error")
            .set("isolation.level", "read_committed")
            .set("fetch.wait.max.ms", "100")
            .set("fetch.queue.backoff.ms", "10")
            .set("queued.min.messages", "20000")
            .set("queued.max.messages.kbytes", "32768")
            .set("statistics.interval.ms", "1000");
        if let Some(instance) = instance {
            // A worker that comes back within its session takes its partitions without a rebalance.
            config.set("group.instance.id", instance);
        }
        config
    }
}
