//! A service to send requests to, and the servers that it needs. Asserts nothing about answers.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use actix_web::{App, HttpResponse, HttpServer, web};
use chassis::Process;
use events_schema::wire::{Decoder, Encoder};
use events_schema::{Event, EventId, EventType, ProductUpserted, Timestamp, Topic};
use http_chassis::settings::HttpSettings;
use kafka_client::KafkaSettings;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusRecorder};
use producer_api::Server;
use producer_api::settings::{PublishSettings, SchemaSettings, Settings};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Headers, OwnedMessage};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{DefaultProducerContext, FutureProducer, FutureRecord};
use rdkafka::{ClientConfig, Message, Offset, TopicPartitionList};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use waiting::eventually;

use crate::front;

/// The servers, and the settings of services that use them.
pub(crate) struct World {
    pub(crate) cluster: MockCluster<'static, DefaultProducerContext>,
    pub(crate) settings: Settings,
    pub(crate) registry: Registry,
    _cache: TempDir,
}

/// A stand-in for the schema registry: ids are 1, 2, 3 … in the order of `EventType::ALL`.
pub(crate) struct Registry {
    handle: actix_web::dev::ServerHandle,
    /// Whether schemas are told; else every question for one fails.
    tells: Arc<AtomicBool>,
}

impl Registry {
    fn start() -> (Self, SocketAddr) {
        let tells = Arc::new(AtomicBool::new(true));
        let shared = web::Data::from(Arc::clone(&tells));
        let app = move || {
            App::new()
                .app_data(shared.clone())
                .route("/subjects/{subject}", web::post().to(look_up))
                .route("/subjects/{subject}/versions", web::get().to(versions))
                .route("/schemas/ids/{id}", web::get().to(schema))
        };
        let server = HttpServer::new(app).workers(1).disable_signals();
        let server = server.bind("127.0.0.1:0").unwrap();
        let address = server.addrs()[0];
        let server = server.run();
        let handle = server.handle();
        tokio::spawn(server);
        (Self { handle, tells }, address)
    }

    pub(crate) fn tell(&self, schemas: bool) {
        self.tells.store(schemas, Ordering::Relaxed);
    }

    pub(crate) async fn stop(&self) {
        self.handle.stop(false).await;
    }
}

async fn look_up(subject: web::Path<String>) -> HttpResponse {
    let index = EventType::ALL.iter().position(|of| of.subject() == *subject).unwrap();
    HttpResponse::Ok().json(json!({ "id": index + 1 }))
}

async fn versions() -> HttpResponse {
    HttpResponse::Ok().json([1])
}

async fn schema(id: web::Path<usize>, tells: web::Data<AtomicBool>) -> HttpResponse {
    if !tells.load(Ordering::Relaxed) {
        return HttpResponse::ServiceUnavailable().finish();
    }
    // Older builds registered theirs under other ids.
    match EventType::ALL.get((id.into_inner() - 1) % 100) {
        Some(of) => HttpResponse::Ok().json(json!({ "schema": of.schema() })),
        None => HttpResponse::NotFound().json(json!({ "error_code": 40403, "message": "no" })),
    }
}

impl World {
    /// A cluster of one broker with our topics, and a registry that knows our schemas.
    pub(crate) fn new() -> Self {
        Self::with_brokers(1)
    }

    /// As [`World::new`], with more brokers.
    pub(crate) fn with_brokers(count: i32) -> Self {
        let cluster = MockCluster::new(count).unwrap();
        for topic in Topic::ALL {
            cluster.create_topic(topic.name(), topic.partitions(), 1).unwrap();
        }
        let bootstrap_servers = front::stand_before(&cluster.bootstrap_servers());
        let cache = TempDir::new().unwrap();
        let (registry, address) = Registry::start();
        let settings = Settings {
            kafka: KafkaSettings::at(bootstrap_servers, ""),
            schemas: SchemaSettings {
                registry_url: format!("http://{address}").into(),
                cache_dir: cache.path().to_owned(),
            },
            http: HttpSettings {
                address: ([127, 0, 0, 1], 0).into(),
                workers: 1,
                connections_max: 256,
                shutdown: Duration::from_secs(10),
                health_address: None,
            },
            publish: PublishSettings { in_flight_max: 1000, ack_timeout: Duration::from_secs(10) },
            body_bytes_max: 1 << 20,
            queue_delay_max: Duration::from_secs(60),
            query_api_url: None,
        };
        Self { cluster, settings, registry, _cache: cache }
    }

    /// A service that is being started.
    pub(crate) fn start(&self) -> Service {
        self.start_with(|recorder| recorder)
    }

    /// A service that is being started, whose metrics go to what is made of its recorder.
    pub(crate) fn start_with<R: metrics::Recorder>(
        &self,
        make: impl FnOnce(PrometheusRecorder) -> R,
    ) -> Service {
        let recorder = PrometheusBuilder::new().build_recorder();
        let process = Process {
            name: "producer-api",
            shutdown: CancellationToken::new(),
            health: chassis::health::Health::default(),
            metrics: recorder.handle(),
        };
        // Of its own, because the tests of this binary run side by side.
        let start = || Server::start(process.clone(), self.settings.clone()).unwrap();
        let server = metrics::with_local_recorder(&make(recorder), start);
        let url = format!("http://{}", server.addresses()[0]);
        let finished = tokio::spawn(server.finish());
        Service { url, http: reqwest::Client::new(), process, finished }
    }

    /// A service that is ready.
    pub(crate) async fn ready(&self) -> Service {
        let service = self.start();
        service.until_ready().await;
        service
    }

    /// Puts a product into the log.
    pub(crate) async fn sell(&self, sku: &str, price_minor: i64, currency: &str) {
        self.write(Topic::Products, sku, Some(&product(6, sku, price_minor, currency))).await;
    }

    /// Puts any bytes into the log.
    pub(crate) async fn write(&self, topic: Topic, key: &str, value: Option<&[u8]>) {
        let config = self.settings.kafka.producer("test", Some(Duration::from_secs(10)));
        let producer: FutureProducer = config.create().unwrap();
        let record = FutureRecord { payload: value, ..FutureRecord::to(topic.name()).key(key) };
        let delivered = producer.send_result(record).map_err(|(error, _)| error).unwrap();
        delivered.await.unwrap().unwrap();
    }

    /// Describes a product under another SKU's key.
    pub(crate) async fn sell_under(&self, key: &str, sku: &str, price_minor: i64) {
        let value = product(6, sku, price_minor, "USD");
        self.write(Topic::Products, key, Some(&value)).await;
    }

    /// Every record of a topic.
    pub(crate) fn read(&self, topic: Topic) -> Vec<OwnedMessage> {
        let mut config: ClientConfig = self.settings.kafka.reader("test");
        let consumer: BaseConsumer = config.set("fetch.wait.max.ms", "50").create().unwrap();
        let mut assignment = TopicPartitionList::new();
        for partition in 0..topic.partitions() {
            let (name, from) = (topic.name(), Offset::Offset(0));
            assignment.add_partition_offset(name, partition, from).unwrap();
        }
        consumer.assign(&assignment).unwrap();
        let (mut records, mut ends) = (Vec::new(), 0);
        let deadline = Instant::now() + Duration::from_secs(20);
        while ends < topic.partitions() {
            assert!(Instant::now() < deadline, "the end of {} was not reached", topic.name());
            match consumer.poll(Duration::from_millis(100)) {
                Some(Ok(record)) => records.push(record.detach()),
                Some(Err(_)) => ends += 1,
                None => {}
            }
        }
        records
    }

    /// Every event of a topic.
    pub(crate) fn events(&self, topic: Topic) -> Vec<Event> {
        let mut decoder = Decoder::default();
        for (id, event_type) in (1..).zip(EventType::ALL) {
            decoder.learn(id, event_type.schema());
        }
        let records = self.read(topic);
        records.iter().map(|record| decoder.decode(record.payload().unwrap()).unwrap()).collect()
    }
}

/// A product's description, written under this id of its schema.
pub(crate) fn product(schema: u32, sku: &str, price_minor: i64, currency: &str) -> Vec<u8> {
    let event = ProductUpserted {
        event_id: EventId::time_ordered(),
        sku: sku.parse().unwrap(),
        name: "Bananas".to_owned().try_into().unwrap(),
        department: "Produce".to_owned().try_into().unwrap(),
        price_minor: price_minor.try_into().unwrap(),
        currency: compact_str::CompactString::new(currency).try_into().unwrap(),
        updated_at: Timestamp::from_micros(1),
    };
    let encoder = Encoder::new([(EventType::ProductUpserted, schema)]);
    encoder.encode(&event.into(), Vec::new()).unwrap()
}

/// A record's headers.
pub(crate) fn headers(record: &OwnedMessage) -> HashMap<String, String> {
    let text = |value: Option<&[u8]>| String::from_utf8(value.unwrap().to_vec()).unwrap();
    let headers = record.headers().unwrap().iter();
    headers.map(|header| (header.key.to_owned(), text(header.value))).collect()
}

/// A running service.
pub(crate) struct Service {
    pub(crate) url: String,
    pub(crate) http: reqwest::Client,
    pub(crate) process: Process,
    pub(crate) finished: tokio::task::JoinHandle<anyhow::Result<()>>,
}

/// What a service answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) body: Value,
}

impl Answer {
    pub(crate) async fn of(request: reqwest::RequestBuilder) -> Self {
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = serde_json::from_slice(&response.bytes().await.unwrap()).unwrap_or_default();
        Self { status, headers, body }
    }

    /// The last word of the problem's type; empty where it is none.
    pub(crate) fn kind(&self) -> &str {
        let kind = self.body["type"].as_str().unwrap_or_default();
        kind.strip_prefix("urn:orderflow:problem:").unwrap_or_default()
    }

    /// What the problem points at.
    pub(crate) fn pointers(&self) -> Vec<&str> {
        let errors = self.body["errors"].as_array().map(Vec::as_slice).unwrap_or_default();
        errors.iter().map(|error| error["pointer"].as_str().unwrap()).collect()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

impl Service {
    pub(crate) fn post(&self, path: &str, body: &Value) -> reqwest::RequestBuilder {
        self.http.post(format!("{}{path}", self.url)).json(body)
    }

    pub(crate) async fn place(&self, body: &Value) -> Answer {
        Answer::of(self.post("/v1/orders", body)).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        Answer::of(self.http.get(format!("{}{path}", self.url))).await
    }

    pub(crate) async fn until_ready(&self) {
        eventually("the service is ready", async || self.get("/readyz").await.status == 200).await;
    }

    /// Waits until it is not ready, because of this dependency.
    pub(crate) async fn until_down(&self, dependency: &str, reason: &str) {
        eventually("the dependency is down", async || {
            let report = self.get("/readyz").await.body;
            let why = report["dependencies"][dependency].as_str().unwrap_or_default().to_owned();
            why.starts_with("down: ") && why.contains(reason)
        })
        .await;
    }

    /// Waits until the metric has this value.
    pub(crate) async fn until_metric(&self, name: &str, value: usize) {
        let wanted = format!("\n{name} {value}\n");
        eventually("the metric is as expected", async || {
            self.process.metrics.render().contains(&wanted)
        })
        .await;
    }

    /// Waits until so many records are on their way.
    pub(crate) async fn until_in_flight(&self, count: usize) {
        self.until_metric("orderflow_publish_in_flight", count).await;
    }

    pub(crate) async fn stop(self) -> anyhow::Result<()> {
        self.process.shutdown.cancel();
        self.finished.await.unwrap()
    }
}

/// An order for units of one SKU.
pub(crate) fn order(customer: &str, sku: &str) -> Value {
    json!({
        "customer_id": customer,
        "lines": [{"sku": sku, "quantity": 2}],
        "contact": {"name": "Dana Levi", "email": "dana@example.com"},
    })
}
