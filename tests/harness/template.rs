//! What every deployment begins with and none changes, made once by the commands that an operator
//! runs: the registered schemas, what each service logs in with, and a database with every role,
//! schema and table, which is copied.

use std::collections::HashMap;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};

use postgres_client::role_url;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tempfile::TempDir;
use tokio::process::Command;
use tokio::sync::OnceCell;
use uuid::Uuid;

use crate::Stack;
use crate::deployment::{Answer, CONSUMERS, binary_path};

pub(crate) struct Template {
    /// What these programs made; it stays for the next run, which finds it by its name.
    database: String,
    /// Each service's user and password.
    logins: HashMap<&'static str, (String, String)>,
}

static TEMPLATE: OnceCell<Template> = OnceCell::const_new();

impl Template {
    pub(crate) async fn of(stack: &Stack) -> &'static Self {
        TEMPLATE.get_or_init(async || Self::make(stack).await).await
    }

    /// A database of this name with all of it, as an administrator.
    pub(crate) async fn copy(&self, stack: &Stack, name: &str) -> String {
        let mut admin = PgConnection::connect(&stack.database).await.unwrap();
        let template = &self.database;
        run(&mut admin, format!("CREATE DATABASE {name} TEMPLATE {template}")).await.unwrap();
        let url = url_of(stack, name);
        // Postgres does not copy who may connect.
        orderctl(&["database", "apply"], &url, stack).await;
        url
    }

    /// With which a service connects to the administrator's database.
    pub(crate) fn url_of(&self, service: &str, admin: &str) -> String {
        let (user, password) = &self.logins[service];
        role_url(&admin.into(), user, &password.as_str().into()).unwrap()
    }

    async fn make(stack: &Stack) -> Self {
        let mut admin = PgConnection::connect(&stack.database).await.unwrap();
        let database = format!("template_{:016x}", programs_hash());
        let known = "SELECT count(*) FROM pg_database WHERE datname = $1";
        let known = sqlx::query_scalar::<_, i64>(known).bind(&database).fetch_one(&mut admin);
        if known.await.unwrap() == 0 {
            let unfinished = format!("unfinished_{}", Uuid::now_v7().simple());
            run(&mut admin, format!("CREATE DATABASE {unfinished}")).await.unwrap();
            fill(stack, &url_of(stack, &unfinished)).await;
            let rename = format!("ALTER DATABASE {unfinished} RENAME TO {database}");
            if run(&mut admin, rename).await.is_err() {
                // Another process was faster.
                run(&mut admin, format!("DROP DATABASE {unfinished}")).await.unwrap();
            }
        }
        orderctl(&["schemas", "register"], &stack.database, stack).await;
        let mut logins = HashMap::new();
        for service in CONSUMERS.into_iter().chain(["query-api"]) {
            let said = orderctl(&["database", "url", service], &stack.database, stack).await;
            let url: reqwest::Url = said.stdout.trim().parse().unwrap();
            let password = url.password().unwrap().to_owned();
            logins.insert(service, (url.username().to_owned(), password));
        }
        Self { database, logins }
    }
}

async fn fill(stack: &Stack, admin: &str) {
    orderctl(&["database", "apply"], admin, stack).await;
    for consumer in CONSUMERS {
        let url = orderctl(&["database", "url", consumer, "--owner"], admin, stack).await.stdout;
        command(consumer, &["migrate"], url.trim(), stack).await;
    }
}

async fn orderctl(arguments: &[&str], database: &str, stack: &Stack) -> Answer {
    command("orderctl", arguments, database, stack).await
}

async fn command(program: &str, arguments: &[&str], database: &str, stack: &Stack) -> Answer {
    let mut command = Command::new(binary_path(program));
    command.args(arguments).env("DATABASE_URL", database).kill_on_drop(true);
    let cache = TempDir::new().unwrap();
    command.env("SCHEMA_REGISTRY_URL", &stack.registry).env("SCHEMA_CACHE_DIR", cache.path());
    Answer::of(command.output().await.unwrap()).expect_success()
}

async fn run(admin: &mut PgConnection, statement: String) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(AssertSqlSafe(statement)).execute(admin).await.map(drop)
}

fn url_of(stack: &Stack, database: &str) -> String {
    let mut url: reqwest::Url = stack.database.parse().unwrap();
    url.set_path(database);
    url.into()
}

/// Another one when a program that has part in it was built anew.
fn programs_hash() -> u64 {
    let mut hasher = DefaultHasher::new();
    for program in CONSUMERS.into_iter().chain(["orderctl"]) {
        let file = fs::metadata(binary_path(program)).unwrap();
        (file.len(), file.modified().unwrap()).hash(&mut hasher);
    }
    hasher.finish()
}
