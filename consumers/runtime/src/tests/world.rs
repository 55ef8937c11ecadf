//! A cluster, a database and workers of the shelf, to be looked at from outside. Expects nothing.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chassis::Process;
use chassis::health::Health;
use events_schema::{EventType, Topic};
use kafka_client::{GroupProtocol, KafkaSettings};
use metrics_exporter_prometheus::PrometheusBuilder;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::OwnedHeaders;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{DefaultProducerContext, FutureProducer, FutureRecord};
use rdkafka::{Message, Offset, TopicPartitionList};
use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use waiting::{WITHIN, eventually};

use crate::ServiceContext;
use crate::ownership::handover::Handover;
use crate::settings::worker_id::WorkerId;
use crate::settings::{ParkedLimits, RuntimeSettings};
use crate::shared::Shared;
use crate::testing::shelf::{Shelf, shelf, value};
use crate::worker::supervise::keep_working;
use crate::worker::workers::Workers;

pub(crate) const PARTITIONS: i32 = 4;

pub(crate) struct World {
    pub(crate) cluster: Option<MockCluster<'static, DefaultProducerContext>>,
    pub(crate) kafka: KafkaSettings,
    pub(crate) pool: PgPool,
    producer: FutureProducer,
    cache: tempfile::TempDir,
    on_brokers: Option<AdminClient<DefaultClientContext>>,
    /// The projection has begun before, somewhere else than in these partitions.
    pub(crate) has_begun: bool,
}

impl World {
    /// A mock cluster of one broker with the stock topic, and a database of its own.
    pub(crate) async fn new(pool: PgPoolOptions, options: PgConnectOptions) -> Self {
        let cluster = MockCluster::new(1).unwrap();
        cluster.create_topic("stock", PARTITIONS, 1).unwrap();
        let kafka = KafkaSettings::at(cluster.bootstrap_servers(), "");
        Self::at(Some(cluster), kafka, shelf(pool, options).await)
    }

    pub(crate) fn at(
        cluster: Option<MockCluster<'static, DefaultProducerContext>>,
        kafka: KafkaSettings,
        pool: PgPool,
    ) -> Self {
        let producer = kafka.producer("test", Some(WITHIN)).create().unwrap();
        Self {
            cluster,
            kafka,
            pool,
            producer,
            cache: tempfile::tempdir().unwrap(),
            on_brokers: None,
            has_begun: true,
        }
    }

    /// On the real cluster, for what the mock cannot do. The topic goes with the world.
    pub(crate) async fn on_brokers(pool: PgPoolOptions, options: PgConnectOptions) -> Self {
        let servers = chassis::settings::required("KAFKA_BOOTSTRAP_SERVERS").unwrap();
        let kafka = KafkaSettings::at(servers, format!("test-{}-", uuid::Uuid::now_v7()));
        let topic = kafka.prefixed("stock");
        let new = NewTopic::new(&topic, PARTITIONS, TopicReplication::Fixed(1));
        let admin: AdminClient<DefaultClientContext> = kafka.client("test").create().unwrap();
        admin.create_topics([&new], &AdminOptions::new()).await.unwrap().remove(0).unwrap();
        Self { on_brokers: Some(admin), ..Self::at(None, kafka, shelf(pool, options).await) }
    }

    /// Removes what it left on the real cluster.
    pub(crate) async fn end(self) {
        if let Some(admin) = self.on_brokers {
            let topic = self.kafka.prefixed("stock");
            admin.delete_topics(&[&topic], &AdminOptions::new()).await.unwrap();
        }
    }

    /// What the parts of a process share.
    pub(crate) async fn shared(&self) -> Arc<Shared> {
        self.shared_with(|_| {}).await
    }

    /// As [`World::shared`], with other settings.
    pub(crate) async fn shared_with(&self, set: impl FnOnce(&mut RuntimeSettings)) -> Arc<Shared> {
        let process = Process {
            name: "shelf",
            shutdown: CancellationToken::new(),
            health: Health::default(),
            metrics: PrometheusBuilder::new().build_recorder().handle(),
        };
        if self.has_begun {
            let elsewhere = "INSERT INTO positions (topic, partition, topic_id, epoch, next_offset)
                             VALUES ('elsewhere', 99, '', 0, 0) ON CONFLICT DO NOTHING";
            sqlx::query(elsewhere).execute(&self.pool).await.unwrap();
        }
        let context =
            ServiceContext { process, pool: self.pool.clone(), committed: Arc::default() };
        let mut settings = settings(&self.kafka, self.cache.path());
        set(&mut settings);
        let shared = Shared::start::<Shelf>(context, settings).await.unwrap().unwrap();
        shared.schemas.decoder().learn(1, EventType::StockReceived.schema());
        Arc::new(shared)
    }

    /// What the workers of a process share.
    pub(crate) async fn workers(&self) -> Arc<Workers<Shelf>> {
        workers(self.shared().await)
    }

    /// A worker that is joining the group.
    pub(crate) async fn worker(&self) -> Running {
        self.worker_with(|_| {}).await
    }

    /// As [`World::worker`], with other settings.
    pub(crate) async fn worker_with(&self, set: impl FnOnce(&mut RuntimeSettings)) -> Running {
        let workers = workers(self.shared_with(set).await);
        let ended = tokio::spawn(keep_working(Arc::clone(&workers), 0));
        Running { workers, ended }
    }

    /// Puts stock of `sku` into a partition, `number` being the event's id.
    pub(crate) async fn receive(&self, partition: i32, number: i64, sku: &str) {
        self.write(partition, sku, &value(number, sku, 1), OwnedHeaders::new()).await;
    }

    pub(crate) async fn write(
        &self,
        partition: i32,
        key: &str,
        value: &[u8],
        headers: OwnedHeaders,
    ) {
        let topic = self.kafka.prefixed("stock");
        let record = FutureRecord::to(&topic).partition(partition);
        let record = record.key(key).payload(value).headers(headers);
        self.producer.send(record, WITHIN).await.unwrap();
    }

    /// Every value of a partition, in order.
    pub(crate) fn values(&self, partition: i32) -> Vec<Vec<u8>> {
        let consumer: BaseConsumer = self.kafka.reader("test").create().unwrap();
        let end = consumer.fetch_watermarks("stock", partition, WITHIN).unwrap().1;
        let mut list = TopicPartitionList::new();
        list.add_partition_offset("stock", partition, Offset::Beginning).unwrap();
        consumer.assign(&list).unwrap();
        let mut values = Vec::new();
        while (values.len() as i64) < end {
            match consumer.poll(WITHIN) {
                Some(Ok(message)) => values.push(message.payload().unwrap().to_vec()),
                other => panic!("{} of {end} values, then {other:?}", values.len()),
            }
        }
        values
    }

    /// Writes a position, as an earlier worker left it.
    pub(crate) async fn stand(&self, partition: i32, next: i64, topic_id: &str) {
        let insert = "INSERT INTO positions (topic, partition, topic_id, epoch, next_offset)
                      VALUES ($1, $2, $3, 1, $4)";
        let insert = sqlx::query(insert).bind(self.kafka.prefixed("stock")).bind(partition);
        insert.bind(topic_id).bind(next).execute(&self.pool).await.unwrap();
    }

    pub(crate) async fn number(&self, query: &'static str) -> i64 {
        sqlx::query_scalar(query).fetch_one(&self.pool).await.unwrap()
    }

    pub(crate) async fn until_number(&self, query: &'static str, expected: i64) {
        eventually(query, async || self.number(query).await == expected).await;
    }
}

fn workers(shared: Arc<Shared>) -> Arc<Workers<Shelf>> {
    let handover = Handover::new(Arc::clone(&shared.follow_ups));
    Arc::new(Workers::new(shared, Arc::new(handover)))
}

fn settings(kafka: &KafkaSettings, cache: &Path) -> RuntimeSettings {
    RuntimeSettings {
        kafka: kafka.clone(),
        registry_url: "http://127.0.0.1:1".to_owned(),
        schema_cache: cache.to_owned(),
        workers: 1,
        group_protocol: GroupProtocol::Classic,
        worker_id: WorkerId::None,
        leave_on_stop: true,
        batch_records_max: 100,
        parked: ParkedLimits { per_subject: 1000, total: 1000 },
        breaker_rejections: 100,
        breaker_probe: Duration::from_millis(300),
    }
}

/// A worker at work.
pub(crate) struct Running {
    pub(crate) workers: Arc<Workers<Shelf>>,
    ended: JoinHandle<anyhow::Result<()>>,
}

impl Running {
    /// Why the process is not ready, by this name.
    pub(crate) fn complaint(&self, name: &str) -> Option<String> {
        self.workers.shared.process.health.not_ready().remove(name)
    }

    pub(crate) async fn until_complaint(&self, name: &str, text: &str) {
        let heard = async || self.complaint(name).is_some_and(|why| why.contains(text));
        eventually(text, heard).await;
    }

    pub(crate) async fn until_holding(&self, partitions: usize) {
        let held = async || self.workers.handover.held().len() == partitions;
        eventually("the partitions are held", held).await;
    }

    /// As SIGTERM does; says how long it took.
    pub(crate) async fn stop(self) -> Duration {
        let began = Instant::now();
        self.workers.shared.process.shutdown.cancel();
        tokio::time::timeout(WITHIN, self.ended).await.expect("it stops").unwrap().unwrap();
        began.elapsed()
    }
}

/// The id of the mock's topic. librdkafka's mock names a controller that it does not have, so that
/// nobody can ask it.
pub(crate) const MOCK_ID: &str = "of-the-mock";

/// A topic without a deployment's prefix is the mock's.
pub(crate) fn ids_of_mock(topics: &[String]) -> Option<HashMap<String, String>> {
    (topics == ["stock"]).then(|| [("stock".to_owned(), MOCK_ID.to_owned())].into())
}

/// The position's topic, for those tests that do not look at it.
pub(crate) const STOCK: Topic = Topic::Stock;
