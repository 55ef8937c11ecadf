//! Kafka as a test needs it: what a topic holds, and brokers that stand still for one process
//! while they go on for everybody else. Reads and writes no event.

use std::collections::HashMap;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::producer::{FutureProducer, FutureRecord};
use sqlx::AssertSqlSafe;
use tokio::net::TcpListener;

use relay::{Relay, Rewrites};

use crate::{Deployment, found_within};

const ANSWER_WITHIN: Duration = Duration::from_secs(30);

impl Deployment {
    /// A client of the servers underneath. A key goes where it goes for everybody.
    pub fn kafka(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.stack.kafka).set("group.id", "harness");
        config.set("partitioner", "murmur2_random");
        config
    }

    /// Writes a record to a topic, as anybody could.
    ///
    /// # Panics
    /// When the brokers do not take it.
    pub async fn write(&self, topic: &str, key: &[u8], value: &[u8]) {
        let producer: FutureProducer = self.kafka().create().unwrap();
        let topic = self.topic(topic);
        let record = FutureRecord::to(&topic).partition(0).key(key).payload(value);
        producer.send(record, ANSWER_WITHIN).await.unwrap();
    }

    /// Where each partition of the topic ends.
    ///
    /// # Panics
    /// When the brokers do not say.
    pub fn ends(&self, topic: &str) -> HashMap<i32, i64> {
        let consumer: BaseConsumer = self.kafka().create().unwrap();
        let metadata = consumer.fetch_metadata(Some(topic), ANSWER_WITHIN).unwrap();
        let end = |id| consumer.fetch_watermarks(topic, id, ANSWER_WITHIN).unwrap().1;
        metadata.topics()[0].partitions().iter().map(|p| (p.id(), end(p.id()))).collect()
    }

    /// Waits until the projection [is at the end](Self::is_at_the_end).
    ///
    /// # Panics
    /// When it is not there in time.
    pub async fn reads_to_the_end(&self, projection: &str, within: Duration) {
        let what = format!("{projection} reads to the end");
        let there = async || self.is_at_the_end(projection).await.then_some(());
        found_within(within, &what, there).await;
    }

    /// Whether the projection has read everything there is and everything that follows is
    /// published.
    ///
    /// # Panics
    /// When a server does not answer.
    pub async fn is_at_the_end(&self, projection: &str) -> bool {
        let outbox = format!("SELECT count(*) FROM \"{projection}\".outbox");
        if self.number(&outbox).await > 0 {
            return false;
        }
        let positions =
            format!("SELECT topic, partition, next_offset FROM \"{projection}\".positions");
        let positions: Vec<(String, i32, i64)> =
            sqlx::query_as(AssertSqlSafe(positions)).fetch_all(&self.pool).await.unwrap();
        let mut ends = HashMap::new();
        positions.iter().all(|(topic, partition, next)| {
            let ends = ends.entry(topic.clone()).or_insert_with(|| self.ends(topic));
            ends[partition] == *next
        })
    }
}

/// Every broker behind a relay of its own.
pub struct HeldBrokers {
    relays: Vec<Relay>,
    /// `KAFKA_BOOTSTRAP_SERVERS` of a process that is to reach them through the relays only.
    pub bootstrap_servers: String,
}

impl HeldBrokers {
    /// In front of the brokers of this deployment. They have to be on this machine: what they say
    /// of their own ports is rewritten, and their hosts stay.
    ///
    /// # Panics
    /// When the brokers do not answer.
    pub async fn of(deployment: &Deployment) -> Self {
        let consumer: BaseConsumer = deployment.kafka().create().unwrap();
        let metadata = consumer.fetch_metadata(None, ANSWER_WITHIN).unwrap();
        let (mut listeners, mut rewrites, mut names) = (vec![], vec![], vec![]);
        for broker in metadata.brokers() {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let port = listener.local_addr().unwrap().port();
            let said = |port: i32| [broker.host().as_bytes(), &port.to_be_bytes()].concat();
            rewrites.push((said(broker.port()), said(port.into())));
            names.push(format!("{}:{port}", broker.host()));
            listeners.push((listener, format!("{}:{}", broker.host(), broker.port())));
        }
        let rewriting = |(listener, server): (_, String)| {
            Relay::on(listener, &server, Rewrites::of(rewrites.clone()))
        };
        let relays = listeners.into_iter().map(rewriting).collect();
        Self { relays, bootstrap_servers: names.join(",") }
    }

    /// From now on nothing reaches a broker.
    pub fn hold(&self) {
        self.relays.iter().for_each(Relay::hold);
    }

    /// Every connection is cut, and nobody listens.
    pub fn cut(&self) {
        self.relays.iter().for_each(Relay::cut);
    }

    /// What is sent arrives so much later, both ways.
    pub fn delay(&self, by: Duration) {
        self.relays.iter().for_each(|relay| relay.delay(by));
    }

    /// They listen again.
    ///
    /// # Panics
    /// When somebody else took a port.
    pub async fn mend(&mut self) {
        for relay in &mut self.relays {
            relay.mend().await;
        }
    }

    /// What was held back goes on its way.
    pub fn release(&self) {
        self.relays.iter().for_each(Relay::release);
    }
}
