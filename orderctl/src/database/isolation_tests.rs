//! Every role against every schema that is not its own, in a real Postgres.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions, Executor, PgConnection, PgPool};
use uuid::Uuid;

use super::roles::{Plan, Role, Schema, apply};

/// Roles are the cluster's: each test has its own, each with a password of its own.
fn plan() -> Plan {
    let tag = Uuid::now_v7().simple().to_string().split_off(20);
    let role = |name: &str| Role {
        name: format!("{name}-{tag}"),
        password: SecretString::from(format!("p'w {name}")),
    };
    let schema = |name: &str| Schema { owner: role(&format!("{name}-owner")), service: role(name) };
    let schemas = vec![schema("inventory"), schema("mails"), schema("analytics")];
    Plan { reads: schemas[0].service.name.clone(), schemas, reader: role("query") }
}

async fn applied(admin: &PgPool, plan: &Plan) {
    let mut connection = admin.acquire().await.unwrap();
    apply(&mut connection, plan).await.unwrap();
}

async fn as_role(options: &PgConnectOptions, role: &Role) -> PgConnection {
    let options = options.clone().username(&role.name);
    options.password(role.password.expose_secret()).connect().await.unwrap()
}

async fn run(connection: &mut PgConnection, sql: &str) -> Result<(), Option<String>> {
    let code = |e: sqlx::Error| e.as_database_error().and_then(|e| e.code()).map(Into::into);
    connection.execute(AssertSqlSafe(sql)).await.map(|_| ()).map_err(code)
}

#[track_caller]
fn forbidden(answer: Result<(), Option<String>>, role: &Role, sql: &str) {
    assert_eq!(
        answer.map_err(Option::unwrap_or_default),
        Err("42501".into()),
        "{}: {sql}",
        role.name
    );
}

/// Drops the roles; what a failed test leaves behind is a role without rights.
async fn dropped(admin: &PgPool, plan: &Plan) {
    for (role, _) in plan.roles() {
        let sql = format!("DROP OWNED BY \"{0}\" CASCADE; DROP ROLE \"{0}\"", role.name);
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(admin).await.unwrap();
    }
}

/// Sixteen deployments of one cluster, whose roles are the same.
#[sqlx::test]
async fn deployments_that_are_set_up_at_once_all_succeed(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let (admin, plan) = (pool.max_connections(16).connect_with(options).await.unwrap(), plan());
    futures::future::join_all((0..16).map(|_| applied(&admin, &plan))).await;
    dropped(&admin, &plan).await;
}

/// A table of each schema, made by its owner, which lets its service read it.
async fn with_a_table_each(options: &PgConnectOptions, plan: &Plan) {
    for Schema { owner, service } in &plan.schemas {
        let mut conn = as_role(options, owner).await;
        let make = format!(
            "CREATE TABLE \"{0}\".kept (id int GENERATED ALWAYS AS IDENTITY, sku text);
             GRANT SELECT ON \"{0}\".kept TO \"{0}\"",
            service.name
        );
        run(&mut conn, &make).await.unwrap();
    }
}

/// Everything that one can do to a schema and its table.
fn deeds(schema: &str) -> Vec<String> {
    let deeds = [
        "SELECT * FROM @.kept",
        "SELECT count(*) FROM @.kept",
        "INSERT INTO @.kept (sku) VALUES ('b')",
        "UPDATE @.kept SET sku = 'b'",
        "DELETE FROM @.kept",
        "TRUNCATE @.kept",
        "DROP TABLE @.kept",
        "ALTER TABLE @.kept ADD COLUMN mine text",
        "DO $$ BEGIN LOCK TABLE @.kept; END $$",
        "CREATE TABLE @.mine (sku text)",
        "CREATE VIEW @.mine AS SELECT 1",
        "DROP SCHEMA @ CASCADE",
    ];
    deeds.map(|deed| deed.replace('@', &format!("\"{schema}\""))).into()
}

#[sqlx::test]
async fn no_role_can_do_anything_in_a_schema_that_is_not_its_own(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let admin = pool.connect_with(options.clone()).await.unwrap();
    let plan = plan();
    applied(&admin, &plan).await;
    with_a_table_each(&options, &plan).await;
    for (role, own) in plan.roles() {
        let mut conn = as_role(&options, role).await;
        let strange = plan.schemas.iter().filter(|schema| schema.service.name != own);
        for sql in strange.flat_map(|schema| deeds(&schema.service.name)) {
            forbidden(run(&mut conn, &sql).await, role, &sql);
        }
        let anywhere =
            ["CREATE TABLE public.mine ()", "CREATE SCHEMA mine", "CREATE TEMP TABLE mine ()"];
        for sql in anywhere {
            forbidden(run(&mut conn, sql).await, role, sql);
        }
    }
    dropped(&admin, &plan).await;
}

#[sqlx::test]
async fn who_serves_or_reads_can_do_what_was_granted_and_make_or_change_nothing(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let admin = pool.connect_with(options.clone()).await.unwrap();
    let plan = plan();
    applied(&admin, &plan).await;
    with_a_table_each(&options, &plan).await;
    // What `migrate` granted outlasts this.
    applied(&admin, &plan).await;
    let service = &plan.schemas[0].service;
    let mut conn = as_role(&options, service).await;
    let (granted, denied): (Vec<_>, Vec<_>) =
        deeds(&service.name).into_iter().partition(|deed| deed.starts_with("SELECT"));
    for sql in granted {
        run(&mut conn, &sql).await.unwrap();
    }
    for sql in denied {
        forbidden(run(&mut conn, &sql).await, service, &sql);
    }
    // Its reader was granted nothing, neither of tables of today nor of tomorrow.
    let mut conn = as_role(&options, &plan.reader).await;
    for sql in deeds(&plan.reads) {
        forbidden(run(&mut conn, &sql).await, &plan.reader, &sql);
    }
    dropped(&admin, &plan).await;
}

#[sqlx::test]
async fn applying_again_takes_back_what_a_role_was_given(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let admin = pool.connect_with(options.clone()).await.unwrap();
    let plan = plan();
    applied(&admin, &plan).await;
    with_a_table_each(&options, &plan).await;
    let (role, other) = (&plan.reader, &plan.schemas[1].service.name);
    let powers = format!(
        "ALTER ROLE \"{0}\" SUPERUSER CREATEDB; GRANT pg_read_all_data TO \"{0}\";
         GRANT ALL ON SCHEMA \"{other}\" TO \"{0}\"; GRANT ALL ON \"{other}\".kept TO \"{0}\";
         GRANT SELECT (sku) ON \"{other}\".kept TO \"{0}\"",
        role.name
    );
    sqlx::raw_sql(AssertSqlSafe(powers)).execute(&admin).await.unwrap();
    applied(&admin, &plan).await;
    let powers = "SELECT rolsuper OR rolcreatedb FROM pg_roles WHERE rolname = $1";
    let powers: bool = sqlx::query_scalar(powers).bind(&role.name).fetch_one(&admin).await.unwrap();
    assert!(!powers);
    let mut conn = as_role(&options, role).await;
    for sql in deeds(other) {
        forbidden(run(&mut conn, &sql).await, role, &sql);
    }
    dropped(&admin, &plan).await;
}

#[sqlx::test]
async fn what_a_service_owned_is_its_owners_and_no_future_table_is_the_readers(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let admin = pool.connect_with(options.clone()).await.unwrap();
    let plan = plan();
    let (service, reader) = (&plan.schemas[0].service, &plan.reader);
    let before = format!(
        "CREATE ROLE \"{0}\"; CREATE ROLE \"{1}\"; CREATE SCHEMA \"{0}\" AUTHORIZATION \"{0}\";
         GRANT USAGE ON SCHEMA \"{0}\" TO \"{1}\";
         ALTER DEFAULT PRIVILEGES FOR ROLE \"{0}\" IN SCHEMA \"{0}\"
             GRANT SELECT ON TABLES TO \"{1}\";
         SET ROLE \"{0}\"; CREATE TABLE \"{0}\".kept (sku text); RESET ROLE",
        service.name, reader.name
    );
    sqlx::raw_sql(AssertSqlSafe(before)).execute(&admin).await.unwrap();
    applied(&admin, &plan).await;
    let mut conn = as_role(&options, &plan.schemas[0].owner).await;
    let migrate = format!("ALTER TABLE \"{0}\".kept ADD COLUMN n int", service.name);
    run(&mut conn, &migrate).await.unwrap();
    let left = "SELECT count(*) FROM pg_default_acl";
    assert_eq!(sqlx::query_scalar::<_, i64>(left).fetch_one(&admin).await.unwrap(), 0);
    for role in [service, reader] {
        let mut conn = as_role(&options, role).await;
        for sql in deeds(&service.name) {
            forbidden(run(&mut conn, &sql).await, role, &sql);
        }
    }
    dropped(&admin, &plan).await;
}

/// What Postgres keeps of a password: whether it would let this one in.
fn opens(verifier: &str, password: &str) -> bool {
    let parts: Vec<&str> = verifier.split(['$', ':']).collect();
    let [_, rounds, salt, stored, _] = parts[..] else { panic!("{verifier}") };
    let mac = |key: &[u8], text: &[u8]| {
        let mac = Hmac::<Sha256>::new_from_slice(key).unwrap().chain_update(text);
        <[u8; 32]>::from(mac.finalize().into_bytes())
    };
    let salt = STANDARD.decode(salt).unwrap();
    let mut block = mac(password.as_bytes(), &[&salt[..], &[0, 0, 0, 1]].concat());
    let mut salted = block;
    for _ in 1..rounds.parse().unwrap() {
        block = mac(password.as_bytes(), &block);
        salted.iter_mut().zip(block).for_each(|(sum, byte)| *sum ^= byte);
    }
    STANDARD.encode(Sha256::digest(mac(&salted, b"Client Key"))) == stored
}

#[sqlx::test]
async fn a_role_is_let_in_by_its_own_password_and_by_no_other_roles(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let admin = pool.connect_with(options).await.unwrap();
    let plan = plan();
    applied(&admin, &plan).await;
    for (role, _) in plan.roles() {
        let kept = "SELECT rolpassword FROM pg_authid WHERE rolname = $1";
        let kept: String =
            sqlx::query_scalar(kept).bind(&role.name).fetch_one(&admin).await.unwrap();
        for (other, _) in plan.roles() {
            let is_own = other.name == role.name;
            assert_eq!(opens(&kept, other.password.expose_secret()), is_own, "{}", other.name);
        }
    }
    dropped(&admin, &plan).await;
}

#[test]
fn the_systems_services_are_its_consumer_groups() {
    let plan = Plan::of_the_system(|role| role.into());
    let names = plan.schemas.iter().map(|schema| schema.service.name.as_str());
    assert_eq!(names.collect::<Vec<_>>(), ["inventory", "confirmation-email", "analytics"]);
}
