//! A deployment of the system for one test: its own topics, groups and database on the shared
//! servers, set up by the same commands that an operator runs. What all have in common is copied.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::metadata::MetadataTopic;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, Connection, PgConnection, PgPool};
use tempfile::TempDir;
use tokio::process::Command;
use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};
use uuid::Uuid;

use crate::ports::free_address;
use crate::process::{self, Spec};
use crate::template::Template;
use crate::{Service, Shop, Stack, found_within};

/// One test's deployment. Its logs are kept when the test fails.
pub struct Deployment {
    /// The servers underneath.
    pub stack: Stack,
    /// Before every topic and group of it.
    pub prefix: String,
    /// As an administrator of its database.
    pub pool: PgPool,
    database: String,
    folder: Option<TempDir>,
    is_kept: AtomicBool,
    _turn: Turn,
}

/// Tests run side by side, but for one that needs the machine for itself.
static TURNS: LazyLock<Arc<RwLock<()>>> = LazyLock::new(Arc::default);

/// What a deployment holds as long as it lives.
enum Turn {
    Among(#[expect(dead_code, reason = "held, not read")] OwnedRwLockReadGuard<()>),
    Alone(#[expect(dead_code, reason = "held, not read")] OwnedRwLockWriteGuard<()>),
}

/// What a command said.
#[derive(Debug)]
pub struct Answer {
    /// Its exit code.
    pub code: Option<i32>,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

/// Every consumer's binary, which is its group and its schema, too.
pub const CONSUMERS: [&str; 3] = ["inventory", "confirmation-email", "analytics"];
const ADDRESS_IS_SET_BY: [&str; 2] = ["HTTP_ADDR", "HEALTH_ADDR"];

impl Deployment {
    /// Roles, schemas, tables, topics and registered schemas; nothing runs yet.
    pub async fn new() -> Self {
        Self::on(Turn::Among(TURNS.clone().read_owned().await)).await
    }

    /// From now on it is kept, with its logs, as after a test that failed.
    pub fn keep(&self) {
        self.is_kept.store(true, Ordering::Relaxed);
    }

    /// From now on its database is at this `host:port`, for whoever is started then too. Each question
    /// of the harness is asked over a new connection: the server behind may be another one.
    ///
    /// # Panics
    /// When its own address is none.
    pub fn reach_database_at(&mut self, server: &str) {
        for url in [&mut self.stack.database, &mut self.database] {
            *url = url.replacen(relay::host_and_port(url), server, 1);
        }
        let options: PgConnectOptions = self.database.parse().unwrap();
        let pool = PgPoolOptions::new().max_connections(2);
        let pool = pool.after_release(|_, _| Box::pin(async { Ok(false) }));
        self.pool = pool.connect_lazy_with(options);
    }

    /// As [`Deployment::new`], while no other test has one. It does not queue: whoever runs side by
    /// side would wait behind it until the longest of them ends.
    pub async fn alone() -> Self {
        loop {
            if let Ok(turn) = TURNS.clone().try_write_owned() {
                return Self::on(Turn::Alone(turn)).await;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    async fn on(turn: Turn) -> Self {
        let stack = Stack::from_env();
        let name = format!("t{}", &Uuid::now_v7().simple().to_string()[20..]);
        let database = Template::of(&stack).await.copy(&stack, &name).await;
        let options: PgConnectOptions = database.parse().unwrap();
        let pool = PgPoolOptions::new().max_connections(2).connect_with(options).await.unwrap();
        let folder = Some(TempDir::with_prefix(format!("orderflow-{name}-")).unwrap());
        let deployment = Self {
            stack,
            prefix: format!("{name}-"),
            pool,
            database,
            folder,
            is_kept: AtomicBool::new(false),
            _turn: turn,
        };
        deployment.set_up().await;
        deployment
    }

    async fn set_up(&self) {
        self.orderctl(&["topics", "apply"]).await.expect_success();
        // A test may fill the topics before it starts a consumer.
        let start = ["positions", "start", "--at", "beginning", "--yes"];
        self.orderctl(&start).await.expect_success();
    }

    /// A process of this binary, not yet started; `name` tells its log from those of its siblings.
    pub async fn service(&self, binary: &'static str, name: &str) -> Spec {
        let address = free_address();
        let log = self.folder().join(format!("{name}.log"));
        process::touch(&log);
        let mut spec =
            Spec { binary: binary_path(binary), environment: self.environment(), address, log };
        for variable in ADDRESS_IS_SET_BY {
            spec = spec.env(variable, address.to_string());
        }
        match binary {
            "producer-api" => spec,
            _ => spec.env("DATABASE_URL", self.database_url_of(binary).await),
        }
    }

    /// A started and ready process of this binary.
    pub async fn start(&self, binary: &'static str) -> Service {
        self.service(binary, binary).await.start().await
    }

    /// One of each service, ready; the shop that they make up.
    pub async fn start_all(&self) -> (Shop, Vec<Service>) {
        let producer = self.start("producer-api").await;
        let query = self.start("query-api").await;
        let shop = Shop::at(&producer, Some(&query));
        let mut services = vec![producer, query];
        for consumer in CONSUMERS {
            services.push(self.start(consumer).await);
        }
        (shop, services)
    }

    /// Runs `orderctl` as an administrator.
    pub async fn orderctl(&self, arguments: &[&str]) -> Answer {
        self.command("orderctl", arguments, &[("DATABASE_URL", self.database.clone())]).await
    }

    /// Runs a binary to its end.
    pub async fn command(
        &self,
        binary: &str,
        arguments: &[&str],
        environment: &[(&'static str, String)],
    ) -> Answer {
        let mut command = self.prepare(binary, arguments);
        Answer::of(command.envs(environment.iter().cloned()).output().await.unwrap())
    }

    /// A binary with the deployment's environment, to be run as the test wants.
    pub fn prepare(&self, binary: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary_path(binary));
        command.args(arguments).envs(self.environment()).kill_on_drop(true);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// As [`Deployment::shell`], with an administrator's database and these variables.
    pub async fn shell_as_admin(
        &self,
        line: &str,
        environment: &[(&'static str, String)],
    ) -> Answer {
        let mut variables = vec![("DATABASE_URL", self.database.clone())];
        variables.extend_from_slice(environment);
        self.run_in_shell(line, variables).await
    }

    /// Runs a line of bash in which `orderctl` is known; a failure anywhere in a pipe is one.
    pub async fn shell(&self, line: &str) -> Answer {
        self.run_in_shell(line, vec![]).await
    }

    async fn run_in_shell(&self, line: &str, variables: Vec<(&'static str, String)>) -> Answer {
        let orderctl = binary_path("orderctl");
        let line = format!("orderctl() {{ {} \"$@\"; }}; {line}", orderctl.display());
        let mut command = Command::new("bash");
        command.args(["-o", "pipefail", "-c", &line]).envs(self.environment()).envs(variables);
        Answer::of(command.kill_on_drop(true).output().await.unwrap())
    }

    /// The environment of every process of the deployment.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        let cache = self.folder().join("schemas").display().to_string();
        let mut environment = vec![
            ("KAFKA_BOOTSTRAP_SERVERS", self.stack.kafka.clone()),
            ("KAFKA_PREFIX", self.prefix.clone()),
            ("SCHEMA_REGISTRY_URL", self.stack.registry.clone()),
            ("SCHEMA_CACHE_DIR", cache),
            ("SMTP_URL", self.stack.smtp.clone()),
            ("MAIL_FROM", "Orderflow <orders@example.com>".to_owned()),
            // Many deployments share one Postgres.
            ("DATABASE_CONNECTIONS_MAX", "5".to_owned()),
        ];
        environment.extend(self.stack.redis.clone().map(|redis| ("REDIS_URL", redis)));
        environment
    }

    /// Where this deployment's files are.
    pub fn folder(&self) -> &Path {
        self.folder.as_ref().unwrap().path()
    }

    /// A topic's name on the broker.
    pub fn topic(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// Waits until so many units of the SKU are on the shelf: stock and orders are topics of
    /// their own, so an order may overtake the stock that was there before it.
    ///
    /// # Panics
    /// When they are not there within a minute.
    pub async fn in_stock(&self, sku: &str, units: i64) {
        let query = format!(
            "SELECT coalesce(max(available), -1)::bigint FROM inventory.stock WHERE sku = '{sku}'"
        );
        let what = format!("{units} of {sku} are available");
        let there = async || (self.number(&query).await == units).then_some(());
        found_within(Duration::from_secs(60), &what, there).await;
    }

    /// One number out of the database.
    pub async fn number(&self, query: &str) -> i64 {
        sqlx::query_scalar(AssertSqlSafe(query.to_owned())).fetch_one(&self.pool).await.unwrap()
    }

    /// Runs a statement as an administrator; returns the number of rows.
    pub async fn execute(&self, statement: &str) -> u64 {
        let done = sqlx::query(AssertSqlSafe(statement.to_owned())).execute(&self.pool).await;
        done.unwrap().rows_affected()
    }

    /// Leaves nothing behind on servers that others use too; what cannot be removed stays. On a
    /// thread of its own, because this one may be inside of a runtime that is ending.
    fn remove(&self) {
        let (stack, prefix) = (self.stack.clone(), self.prefix.clone());
        let database = prefix.trim_end_matches('-').to_owned();
        let removing = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async {
                drop_database(&stack, &database).await;
                delete_topics(&stack, &prefix).await;
            });
        });
        if removing.join().is_err() {
            eprintln!("--- {} could not be removed from the servers", self.prefix);
        }
    }

    /// With which a service connects.
    pub async fn database_url_of(&self, service: &str) -> String {
        Template::of(&self.stack).await.url_of(service, &self.database)
    }
}

impl Drop for Deployment {
    fn drop(&mut self) {
        if std::thread::panicking() || self.is_kept.load(Ordering::Relaxed) {
            let kept = self.folder.take().map(TempDir::keep);
            eprintln!("--- the logs of {} are kept in {}", self.prefix, kept.unwrap().display());
        } else {
            self.remove();
        }
    }
}

impl Answer {
    pub(crate) fn of(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Self {
            code: output.status.code(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }

    /// The answer of a command that must succeed.
    ///
    /// # Panics
    /// When it did not, with all that it said.
    #[track_caller]
    pub fn expect_success(self) -> Self {
        assert_eq!(self.code, Some(0), "{}\n{}", self.stdout, self.stderr);
        self
    }
}

/// Where our programs are: in the folder that `scripts/test` names, where no other build puts its own;
/// else where cargo puts them, beside the folder of this test's own.
///
/// # Panics
/// When this process has no file.
pub fn programs() -> PathBuf {
    let own = std::env::current_exe().unwrap();
    let beside = || own.parent().and_then(Path::parent).unwrap().to_owned();
    let named = chassis::settings::optional("ORDERFLOW_TEST_BINARIES");
    named.map_or_else(beside, PathBuf::from)
}

pub(crate) fn binary_path(name: &str) -> PathBuf {
    let path = programs().join(name);
    assert!(path.exists(), "{} is missing: run scripts/test, which builds it", path.display());
    path
}

/// Also while somebody is still connected.
async fn drop_database(stack: &Stack, name: &str) {
    let mut admin = PgConnection::connect(&stack.database).await.unwrap();
    let drop = AssertSqlSafe(format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"));
    sqlx::raw_sql(drop).execute(&mut admin).await.unwrap();
}

async fn delete_topics(stack: &Stack, prefix: &str) {
    let mut config = rdkafka::ClientConfig::new();
    config.set("bootstrap.servers", &stack.kafka);
    let admin: AdminClient<DefaultClientContext> = config.create().unwrap();
    let metadata = admin.inner().fetch_metadata(None, Duration::from_secs(30)).unwrap();
    let names = metadata.topics().iter().map(MetadataTopic::name);
    let names: Vec<&str> = names.filter(|name| name.starts_with(prefix)).collect();
    admin.delete_topics(&names, &AdminOptions::new()).await.unwrap();
}
