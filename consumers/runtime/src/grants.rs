//! Who may do what with a projection's tables, after `migrate` has made them. Makes no role:
//! `orderctl database apply` does.

use std::collections::BTreeSet;

use sqlx::{AssertSqlSafe, PgConnection, PgPool};

const RUNTIME: &str = include_str!("../grants.sql");
/// In the lists, whose schema it is.
const SERVICE: &str = ":service";

/// Takes back what was granted on the tables of the schema, and grants what the runtime's list and
/// the projection's `own` say, in one transaction: whoever is at work notices nothing. Roles that do
/// not exist get nothing.
///
/// # Errors
/// When the database is away, or a list names what does not exist.
pub async fn grant(pool: &PgPool, schema: &str, own: &str) -> Result<(), sqlx::Error> {
    let service = format!("\"{schema}\"");
    let statements: Vec<String> = [RUNTIME, own]
        .iter()
        .flat_map(|list| statements(list))
        .map(|statement| statement.replace(SERVICE, &service))
        .collect();
    let mut transaction = pool.begin().await?;
    // Two at once would change the same rows of the catalogue, which Postgres refuses.
    let alone = "SELECT pg_advisory_xact_lock(hashtext('orderflow grants'))";
    sqlx::query(alone).execute(&mut *transaction).await?;
    let roles = existing(&mut transaction, &statements).await?;
    for role in &roles {
        let revoke = format!("REVOKE ALL ON ALL TABLES IN SCHEMA {service} FROM {role}");
        run(&mut transaction, revoke).await?;
    }
    for statement in statements {
        if roles.contains(role_of(&statement)) {
            run(&mut transaction, statement).await?;
        }
    }
    transaction.commit().await
}

/// The statements of a list, without comments.
fn statements(list: &str) -> Vec<String> {
    let lines = list.lines().filter(|line| !line.trim_start().starts_with("--"));
    let without_comments = lines.collect::<Vec<_>>().join("\n");
    let statements = without_comments.split(';').map(str::trim);
    statements.filter(|statement| !statement.is_empty()).map(str::to_owned).collect()
}

/// A statement's last word, quoted.
fn role_of(statement: &str) -> &str {
    statement.split_whitespace().last().unwrap_or_default()
}

async fn existing(
    conn: &mut PgConnection,
    statements: &[String],
) -> Result<BTreeSet<String>, sqlx::Error> {
    let named: BTreeSet<&str> = statements.iter().map(|statement| role_of(statement)).collect();
    let named: Vec<&str> = named.into_iter().collect();
    let query = "SELECT named FROM unnest($1::text[]) AS named
                 JOIN pg_roles ON rolname = trim(BOTH '\"' FROM named)";
    let found: Vec<String> = sqlx::query_scalar(query).bind(&named).fetch_all(conn).await?;
    for missing in named.iter().filter(|role| !found.iter().any(|found| found == *role)) {
        tracing::warn!(role = missing, "no such role: it is granted nothing");
    }
    Ok(found.into_iter().collect())
}

async fn run(conn: &mut PgConnection, statement: String) -> Result<(), sqlx::Error> {
    // Of lists that are compiled in, and names of ours.
    sqlx::raw_sql(AssertSqlSafe(statement)).execute(conn).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_its_statements_without_its_comments() {
        let list =
            "-- why; not\nGRANT SELECT ON a TO x;\n\n-- none\nGRANT UPDATE (b)\nON a TO y;\n";
        let found = statements(list);
        assert_eq!(found, ["GRANT SELECT ON a TO x", "GRANT UPDATE (b)\nON a TO y"]);
        assert_eq!(role_of(&found[1]), "y");
    }
}
