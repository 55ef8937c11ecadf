//! A running query-api with its database, and inventory to fill it. Holds no expectation.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use chassis::Process;
use chassis::health::Health;
use events_schema::*;
use http_chassis::settings::HttpSettings;
use inventory::{Inventory, MIGRATIONS, TABLES};
use metrics_exporter_prometheus::PrometheusBuilder;
use postgres_client::Plans;
use query_api::{Server, Settings};
use reqwest::{Response, StatusCode};
use runtime::testing::{apply, batch, database};
use serde_json::Value;
use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use waiting::{WITHIN, eventually};

/// What stands before the topics' names in these tests.
pub(crate) const PREFIX: &str = "test.";
/// Requests that may wait at once.
pub(crate) const WAITERS_MAX: usize = 60;

pub(crate) struct House {
    pub(crate) pool: PgPool,
    pub(crate) process: Process,
    base: String,
    client: reqwest::Client,
    served: JoinHandle<anyhow::Result<()>>,
}

impl House {
    /// With inventory's tables, and ready.
    pub(crate) async fn open(pool: PgPoolOptions, options: PgConnectOptions) -> Self {
        let pool = database::<Inventory>(pool, options.clone(), &MIGRATIONS).await;
        // As the process does: it can do what was granted, and nothing else.
        let role = "DO $$ BEGIN CREATE ROLE \"query-api\"; EXCEPTION
                        WHEN duplicate_object OR unique_violation THEN NULL; END $$;
                    GRANT USAGE ON SCHEMA inventory TO \"query-api\"";
        sqlx::raw_sql(role).execute(&pool).await.unwrap();
        runtime::grant(&pool, "inventory", TABLES.grants).await.unwrap();
        let house = Self::over(pool, options.options([("role", "query-api")]));
        house.ready(true).await;
        house
    }

    /// Over a database as it is, reached as these options say.
    pub(crate) fn over(pool: PgPool, options: PgConnectOptions) -> Self {
        let recorder = PrometheusBuilder::new().build_recorder();
        let process = Process {
            name: "query-api",
            shutdown: CancellationToken::new(),
            health: Health::default(),
            metrics: recorder.handle(),
        };
        let own = postgres_client::pool_options(5).connect_lazy_with(postgres_client::session(
            options,
            "inventory",
            Plans::EachTime,
        ));
        let settings = Settings {
            pool: own,
            query_timeout: Duration::from_secs(2),
            topic_prefix: PREFIX.to_owned(),
            http: HttpSettings {
                address: ([127, 0, 0, 1], 0).into(),
                workers: 1,
                connections_max: 100,
                health_address: None,
                shutdown: Duration::from_secs(5),
            },
            waiters_max: WAITERS_MAX,
        };
        // Of its own, because the tests of this binary run side by side.
        let start = || Server::start(process.clone(), settings).unwrap();
        let server = metrics::with_local_recorder(&recorder, start);
        let address: SocketAddr = server.addresses()[0];
        let served = tokio::spawn(server.finish());
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { pool, process, base: format!("http://{address}"), client, served }
    }

    /// Stops the process and hangs up, so that the test's database can be dropped.
    pub(crate) async fn close(self) {
        self.process.shutdown.cancel();
        self.served.await.unwrap().unwrap();
        self.pool.close().await;
    }

    pub(crate) async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Response {
        let mut request = self.client.get(format!("{}{path}", self.base));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.send().await.unwrap()
    }

    pub(crate) async fn head(&self, path: &str) -> Response {
        self.client.head(format!("{}{path}", self.base)).send().await.unwrap()
    }

    /// The answer's status and body.
    pub(crate) async fn ask(&self, path: &str, headers: &[(&str, &str)]) -> (StatusCode, Value) {
        let response = self.get(path, headers).await;
        (response.status(), response.json().await.unwrap())
    }

    /// As [`Self::ask`], and again while a busy server asks for that, up to [`WITHIN`].
    pub(crate) async fn ask_until_served(
        &self,
        path: &str,
        headers: &[(&str, &str)],
    ) -> (StatusCode, Value) {
        let asked = Instant::now();
        loop {
            let answer = self.ask(path, headers).await;
            if answer.0 != StatusCode::SERVICE_UNAVAILABLE || asked.elapsed() >= WITHIN {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until the process says that it is ready, or that it is not.
    pub(crate) async fn ready(&self, wanted: bool) {
        eventually("readiness", async || {
            self.get("/readyz", &[]).await.status().is_success() == wanted
        })
        .await;
    }

    /// Waits until so many requests wait for a position.
    pub(crate) async fn waiting(&self, count: usize) {
        let wanted = format!("orderflow_query_waiting {count}\n");
        eventually("so many waiting", async || self.process.metrics.render().contains(&wanted))
            .await;
    }

    /// Inventory folds these.
    pub(crate) async fn fold(&self, events: impl IntoIterator<Item = Event>) {
        apply::<Inventory>(&self.pool, &batch(0, events)).await.unwrap();
    }

    /// Inventory has set an event of the order aside.
    pub(crate) async fn park(&self, topic: &str, order: u128, state: &str) {
        let park = "INSERT INTO parked (topic, partition, record_offset, subject, cause, detail,
                                        blocks, headers, recorded_at, state)
                    SELECT $1, 0, count(*), $2, 'foreign-schema', 'of ann@example.com', true,
                           '[]', now(), $3 FROM parked";
        let park = sqlx::query(park).bind(format!("{PREFIX}{topic}"));
        let park = park.bind(order_id(order).to_string()).bind(state);
        park.execute(&self.pool).await.unwrap();
    }

    /// Inventory has applied everything before this offset.
    pub(crate) async fn advance(&self, topic: &str, partition: i32, next_offset: i64) {
        let query = "INSERT INTO positions (topic, partition, topic_id, epoch, next_offset)
                     VALUES ($1, $2, 'id', 1, $3)
                     ON CONFLICT (topic, partition) DO UPDATE SET next_offset = $3";
        let query = sqlx::query(query).bind(format!("{PREFIX}{topic}"));
        query.bind(partition).bind(next_offset).execute(&self.pool).await.unwrap();
    }
}

pub(crate) fn order_id(number: u128) -> OrderId {
    OrderId::from(Uuid::from_u128(number))
}

pub(crate) fn order_path(number: u128) -> String {
    format!("/v1/orders/{}", order_id(number))
}

pub(crate) fn place(number: u128, lines: &[(&str, i64)]) -> Event {
    let order_id = order_id(number);
    let line = |(sku, quantity): &(&str, i64)| OrderLine {
        sku: sku.parse().unwrap(),
        quantity: Quantity::try_from(*quantity).unwrap(),
        unit_price_minor: MoneyMinor::try_from(250).unwrap(),
    };
    OrderPlaced {
        event_id: EventId::of_order(order_id, EventType::OrderPlaced),
        order_id,
        customer_id: "ann".parse().unwrap(),
        placed_at: Timestamp::from_micros(1_767_225_599_000_001),
        currency: Currency::USD,
        total_minor: MoneyMinor::try_from(750).unwrap(),
        lines: lines.iter().map(line).collect(),
        locale: Locale::En,
        contact: None,
        fingerprint: 1,
    }
    .into()
}

pub(crate) fn receive(sku: &str, delta: i64) -> Event {
    StockReceived {
        event_id: EventId::time_ordered(),
        sku: sku.parse().unwrap(),
        delta: StockDelta::try_from(delta).unwrap(),
        received_at: Timestamp::default(),
    }
    .into()
}

pub(crate) fn product(sku: &str, department: &str) -> Event {
    ProductUpserted {
        event_id: EventId::time_ordered(),
        sku: sku.parse().unwrap(),
        name: Text::try_from(format!("Product {sku}")).unwrap(),
        department: Text::try_from(department.to_owned()).unwrap(),
        price_minor: MoneyMinor::try_from(250).unwrap(),
        currency: Currency::USD,
        updated_at: Timestamp::default(),
    }
    .into()
}
