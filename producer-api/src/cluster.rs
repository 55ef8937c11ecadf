//! A connection to the brokers and the producer on it: what the client is told, with its reasons. Publishes
//! nothing.

mod options;

use std::time::Duration;

use chassis::settings::SettingsError;
use kafka_client::KafkaSettings;
use krafka::auth::AuthConfig;
use krafka::producer::{Acks, Producer};
use krafka::{Compression, Kafka, KrafkaError};

use self::options::Options;
use crate::settings::PublishSettings;

/// A broker that takes requests and answers none, or takes no connection, is given up after this long.
const REQUEST: Duration = Duration::from_secs(5);
/// Bytes of records on their way.
const BUFFER: usize = 128 << 20;
/// How long a record may wait for room in the buffer, or to know the partitions.
const ROOM: Duration = Duration::from_millis(250);
/// Bytes of one partition's records in one request.
const BATCH: usize = 512 << 10;

/// What a connection and a producer are made with.
pub(crate) struct Cluster {
    servers: String,
    security: AuthConfig,
    compression: Compression,
    linger: Duration,
    request_timeout: Duration,
    ack_timeout: Duration,
}

impl Cluster {
    /// # Errors
    /// When an option says something about TLS, SASL or compression that this client cannot do.
    pub(crate) fn new(
        kafka: &KafkaSettings,
        publish: &PublishSettings,
    ) -> Result<Self, SettingsError> {
        let options = Options(kafka);
        let ack_timeout = publish.ack_timeout;
        let request_timeout = options.milliseconds("socket.timeout.ms")?.unwrap_or(REQUEST);
        Ok(Self {
            servers: kafka.bootstrap_servers.clone(),
            security: options.security()?,
            compression: options.compression()?,
            linger: options.milliseconds("linger.ms")?.unwrap_or_default(),
            request_timeout: request_timeout.min(ack_timeout),
            ack_timeout,
        })
    }

    /// Connects, and learns what partitions the topics have.
    ///
    /// # Errors
    /// When no broker answers.
    pub(crate) async fn connect(
        &self,
        topics: &[String],
    ) -> Result<(Kafka, Producer), KrafkaError> {
        let kafka = Kafka::builder(&self.servers)
            .client_id("producer-api")
            .security(self.security.clone())
            .request_timeout(self.request_timeout)
            .connect_timeout(self.request_timeout)
            // No record waits because what was known grew old.
            .metadata_topic_cache_ttl(None)
            .connect()
            .await?;
        let producer = kafka
            .producer()
            // Nothing is lost, doubled or reordered, and the keys' partitions are the Java client's.
            .idempotent(true)
            .acks(Acks::All)
            .linger(self.linger)
            .compression(self.compression)
            .batch_size(BATCH)
            .delivery_timeout(self.ack_timeout.max(self.linger + self.request_timeout))
            .buffer_memory(BUFFER)
            .max_block(ROOM)
            .metrics_push(false)
            .build()
            .await?;
        for topic in topics {
            // One that is missing is no reason to refuse the records of the others.
            let _ = producer.partitions_for(topic).await;
        }
        Ok((kafka, producer))
    }
}
