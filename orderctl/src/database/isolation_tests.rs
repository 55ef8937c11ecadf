//! A service's role against another service's schema, in a real Postgres.

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions, Executor, PgConnection, PgPool};
use uuid::Uuid;

use super::roles::{Plan, apply};

/// Roles are the cluster's: each test has its own.
fn plan() -> Plan {
    let tag = Uuid::now_v7().simple().to_string().split_off(20);
    let owners = [format!("inventory-{tag}"), format!("analytics-{tag}")];
    let [reads, _] = owners.clone();
    Plan { owners: owners.into(), reader: format!("query-{tag}"), reads }
}

async fn applied(admin: &PgPool, plan: &Plan) {
    let mut connection = admin.acquire().await.unwrap();
    apply(&mut connection, plan, &"p'w".into()).await.unwrap();
}

async fn as_role(options: &PgConnectOptions, role: &str) -> PgConnection {
    options.clone().username(role).password("p'w").connect().await.unwrap()
}

async fn run(connection: &mut PgConnection, sql: String) -> Result<(), Option<String>> {
    let code = |e: sqlx::Error| e.as_database_error().and_then(|e| e.code()).map(Into::into);
    connection.execute(AssertSqlSafe(sql)).await.map(|_| ()).map_err(code)
}

/// Drops the roles; what a failed test leaves behind is a role without rights.
async fn dropped(admin: &PgPool, plan: &Plan) {
    for role in plan.owners.iter().chain([&plan.reader]) {
        let sql = format!("DROP OWNED BY \"{role}\" CASCADE; DROP ROLE \"{role}\"");
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(admin).await.unwrap();
    }
}

const FORBIDDEN: &str = "42501";

#[sqlx::test]
async fn a_role_touches_its_own_schema_and_no_other(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let admin = pool.connect_with(options.clone()).await.unwrap();
    let plan = plan();
    applied(&admin, &plan).await;
    let [inventory, analytics] = plan.owners.clone().try_into().unwrap();
    let mut owner = as_role(&options, &inventory).await;
    let mut other = as_role(&options, &analytics).await;

    let table = format!("\"{inventory}\".stock");
    run(&mut owner, format!("CREATE TABLE {table} (sku text)")).await.unwrap();
    run(&mut owner, format!("INSERT INTO {table} VALUES ('a')")).await.unwrap();

    let attempts = [
        format!("SELECT * FROM {table}"),
        format!("INSERT INTO {table} VALUES ('b')"),
        format!("CREATE TABLE \"{inventory}\".mine (sku text)"),
        "CREATE TABLE public.mine (sku text)".to_owned(),
        "CREATE SCHEMA mine".to_owned(),
        "CREATE TEMP TABLE mine (sku text)".to_owned(),
    ];
    for sql in attempts {
        let code = run(&mut other, sql.clone()).await.expect_err(&sql);
        assert_eq!(code.as_deref(), Some(FORBIDDEN), "{sql}");
    }
    drop((owner, other));
    dropped(&admin, &plan).await;
}

#[sqlx::test]
async fn the_reader_reads_tables_of_today_and_tomorrow_and_writes_none(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let admin = pool.connect_with(options.clone()).await.unwrap();
    let plan = plan();
    applied(&admin, &plan).await;
    let (schema, other) = (plan.owners[0].clone(), plan.owners[1].clone());
    let mut owner = as_role(&options, &schema).await;
    run(&mut owner, format!("CREATE TABLE \"{schema}\".early (n int)")).await.unwrap();
    applied(&admin, &plan).await;
    run(&mut owner, format!("CREATE TABLE \"{schema}\".late (n int)")).await.unwrap();

    let mut reader = as_role(&options, &plan.reader).await;
    for table in ["early", "late"] {
        run(&mut reader, format!("SELECT * FROM \"{schema}\".{table}")).await.unwrap();
        let write = format!("INSERT INTO \"{schema}\".{table} VALUES (1)");
        assert_eq!(run(&mut reader, write).await.unwrap_err().as_deref(), Some(FORBIDDEN));
    }
    let mut stranger = as_role(&options, &other).await;
    run(&mut stranger, format!("CREATE TABLE \"{other}\".own (n int)")).await.unwrap();
    let read = format!("SELECT * FROM \"{other}\".own");
    assert_eq!(run(&mut reader, read).await.unwrap_err().as_deref(), Some(FORBIDDEN));
    drop((owner, reader, stranger));
    dropped(&admin, &plan).await;
}

#[sqlx::test]
async fn applying_again_takes_back_what_a_role_was_given(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let admin = pool.connect_with(options).await.unwrap();
    let plan = plan();
    applied(&admin, &plan).await;
    let role = &plan.owners[0];
    let sql = format!("ALTER ROLE \"{role}\" SUPERUSER CREATEDB");
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&admin).await.unwrap();
    applied(&admin, &plan).await;
    let powers = "SELECT rolsuper OR rolcreatedb FROM pg_roles WHERE rolname = $1";
    let powers: bool = sqlx::query_scalar(powers).bind(role).fetch_one(&admin).await.unwrap();
    assert!(!powers);
    dropped(&admin, &plan).await;
}

#[test]
fn the_systems_roles_are_its_consumer_groups() {
    assert_eq!(Plan::of_the_system().owners, ["inventory", "confirmation-email", "analytics"]);
}
