//! What each service's role can do in a whole deployment, table by table and column by column.

use std::collections::BTreeSet;

use harness::Deployment;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

const SERVICES: [&str; 4] = ["inventory", "confirmation-email", "analytics", "query-api"];

/// All that the process on the internet can read.
const SHOWN: [&str; 7] = [
    "order_lines: line, order_id, quantity, sku, unit_price_minor",
    "orders: cancelled_at, currency, customer_id, decided_at, order_id, placed_at, shortages, \
     source_partition, status, total_minor",
    "parked_subjects: state, subject, topic",
    "positions: next_offset, partition, topic",
    "products: currency, department, name, price_minor, sku, updated_at",
    "stock: available, sku",
    "stock_refusals: available, cause, delta, event_id, id, recorded_at, sku, source_offset, \
     source_partition",
];

/// Each table of the deployment: its schema, and its name with the schema's.
async fn tables(deployment: &Deployment) -> Vec<(String, String)> {
    let tables = "SELECT table_schema::text, format('%I.%I', table_schema, table_name)
                  FROM information_schema.tables
                  WHERE table_schema NOT IN ('pg_catalog', 'information_schema')";
    sqlx::query_as(tables).fetch_all(&deployment.pool).await.unwrap()
}

/// What a statement is refused with, if it is.
async fn refusal(conn: &mut PgConnection, sql: String) -> Option<String> {
    let answer = sqlx::raw_sql(AssertSqlSafe(sql)).execute(conn).await.err()?;
    answer.as_database_error().and_then(|error| error.code()).map(Into::into)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_can_touch_only_what_it_was_granted() {
    let deployment = Deployment::new().await;
    let tables = tables(&deployment).await;
    assert!(tables.len() > 30, "{tables:?}");
    for service in SERVICES {
        let url = deployment.database_url_of(service).await;
        let mut conn = PgConnection::connect(&url).await.unwrap();
        let foreign = tables.iter().filter(|(schema, _)| schema != service);
        let shown = |table: &&(String, String)| service == "query-api" && is_shown(&table.1);
        for (_, table) in foreign.filter(|table| !shown(table)) {
            for sql in [
                format!("SELECT FROM {table}"),
                format!("INSERT INTO {table} DEFAULT VALUES"),
                format!("DELETE FROM {table}"),
                format!("TRUNCATE {table}"),
            ] {
                let what = format!("{service}: {sql}");
                let code = refusal(&mut conn, sql).await;
                // A view that nobody can write into says so before anybody's rights are looked at.
                let denied = matches!(code.as_deref(), Some("42501" | "42809" | "55000"));
                assert!(denied, "{what}: {code:?}");
            }
        }
        // Nor can it change its own tables, or the account of what operators did.
        let schema = if service == "query-api" { "inventory" } else { service };
        for sql in ["DROP TABLE @.positions", "DELETE FROM @.audit", "SELECT FROM @._migrations"] {
            let sql = sql.replace('@', &format!("\"{schema}\""));
            assert_eq!(refusal(&mut conn, sql.clone()).await.as_deref(), Some("42501"), "{sql}");
        }
    }
}

fn is_shown(table: &str) -> bool {
    SHOWN.iter().any(|shown| {
        let name = shown.split(':').next().unwrap_or_default();
        table == format!("inventory.{name}")
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn query_api_reads_the_columns_that_it_shows_and_no_other() {
    let deployment = Deployment::new().await;
    let readable = "SELECT format('%s: %s', relname, string_agg(attname, ', ' ORDER BY attname))
                    FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
                    JOIN pg_namespace ON pg_namespace.oid = relnamespace
                    WHERE attnum > 0 AND relkind IN ('r', 'v', 'm') AND nspname !~ '^pg_'
                        AND nspname <> 'information_schema'
                        AND has_column_privilege('query-api', attrelid, attnum, 'SELECT')
                    GROUP BY relname";
    let found: Vec<String> =
        sqlx::query_scalar(readable).fetch_all(&deployment.pool).await.unwrap();
    let found: BTreeSet<&str> = found.iter().map(String::as_str).collect();
    assert_eq!(found, SHOWN.into());
    let url = deployment.database_url_of("query-api").await;
    let mut conn = PgConnection::connect(&url).await.unwrap();
    for sql in [
        "SELECT payload FROM inventory.parked",
        "SELECT headers FROM inventory.parked",
        "SELECT record_key FROM inventory.outbox",
        "SELECT email FROM \"confirmation-email\".orders",
        "SELECT customer_id FROM \"confirmation-email\".mails",
        "UPDATE inventory.stock SET available = 1",
    ] {
        let code = refusal(&mut conn, sql.to_owned()).await;
        assert_eq!(code.as_deref(), Some("42501"), "{sql}");
    }
}
