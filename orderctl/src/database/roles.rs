//! Which role owns which schema, and the statements that make it so. Knows no password's source.

use anyhow::Context;
use secrecy::{ExposeSecret, SecretString};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

/// Who owns what.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    /// Each owns the schema of its name and can touch nothing else.
    pub(super) owners: Vec<String>,
    /// Reads the schema of `reads`.
    pub(super) reader: String,
    pub(super) reads: String,
}

impl Plan {
    pub(super) fn of_the_system() -> Self {
        let owners = ["inventory", "confirmation-email", "analytics"].map(str::to_owned);
        Self { owners: owners.into(), reader: "query-api".into(), reads: "inventory".into() }
    }

    /// One line per role, for people.
    pub(super) fn describe(&self) -> Vec<String> {
        let owner = |name: &String| format!("{name}  owns schema \"{name}\"");
        let reader = format!("{}  reads schema \"{}\"", self.reader, self.reads);
        self.owners.iter().map(owner).chain([reader]).collect()
    }
}

/// Roles are the cluster's, so two deployments may change one at the same moment: Postgres then
/// refuses one of them, who tries again.
const ATTEMPTS: usize = 5;

/// Makes it so; again changes nothing.
pub(super) async fn apply(
    admin: &mut PgConnection,
    plan: &Plan,
    password: &SecretString,
) -> anyhow::Result<()> {
    let mut attempt = 1;
    loop {
        match apply_once(admin, plan, password).await {
            Err(error) if attempt < ATTEMPTS && is_race(&error) => attempt += 1,
            result => return result.context("could not make the roles and schemas"),
        }
    }
}

/// Another session changed the same catalogue row, or made the same role.
fn is_race(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|e| e.code());
    code.is_some_and(|code| matches!(code.as_ref(), "XX000" | "23505" | "42710"))
}

async fn apply_once(
    admin: &mut PgConnection,
    plan: &Plan,
    password: &SecretString,
) -> Result<(), sqlx::Error> {
    let mut transaction = admin.begin().await?;
    execute(&mut transaction, CLOSE_THE_DATABASE, &[]).await?;
    for role in plan.owners.iter().chain([&plan.reader]) {
        make_role(&mut transaction, role, password).await?;
    }
    for owner in &plan.owners {
        execute(&mut transaction, OWN_A_SCHEMA, &[owner]).await?;
    }
    execute(&mut transaction, READ_A_SCHEMA, &[&plan.reader, &plan.reads]).await?;
    transaction.commit().await
}

/// What every role of the cluster may do by default, nobody may do here.
const CLOSE_THE_DATABASE: &str = "
    SELECT format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database())
    UNION ALL SELECT 'REVOKE ALL ON SCHEMA public FROM PUBLIC'
    WHERE EXISTS (SELECT FROM pg_namespace WHERE nspname = 'public')";

/// $1 owns the schema of its name.
const OWN_A_SCHEMA: &str = "
    SELECT format(unnest(ARRAY[
        'CREATE SCHEMA IF NOT EXISTS %1$I AUTHORIZATION %1$I',
        'ALTER SCHEMA %1$I OWNER TO %1$I',
        'REVOKE ALL ON SCHEMA %1$I FROM PUBLIC']), $1)";

/// $1 reads the tables of $2, those of today and those that its owner will make.
const READ_A_SCHEMA: &str = "
    SELECT format(unnest(ARRAY[
        'GRANT USAGE ON SCHEMA %2$I TO %1$I',
        'GRANT SELECT ON ALL TABLES IN SCHEMA %2$I TO %1$I',
        'ALTER DEFAULT PRIVILEGES FOR ROLE %2$I IN SCHEMA %2$I GRANT SELECT ON TABLES TO %1$I'
    ]), $1, $2)";

const MAKE_ROLE: &str = "
    SELECT format('CREATE ROLE %I', $1) WHERE NOT EXISTS
        (SELECT FROM pg_roles WHERE rolname = $1)
    UNION ALL SELECT format('ALTER ROLE %I LOGIN PASSWORD %L
        NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS', $1, $2)
    UNION ALL SELECT format('GRANT CONNECT ON DATABASE %I TO %I', current_database(), $1)";

async fn make_role(
    transaction: &mut PgConnection,
    role: &str,
    password: &SecretString,
) -> Result<(), sqlx::Error> {
    execute(transaction, MAKE_ROLE, &[role, password.expose_secret()]).await
}

/// Runs the statements that a query returns. DDL takes no parameters, so Postgres quotes them.
async fn execute(
    transaction: &mut PgConnection,
    statements: &'static str,
    parameters: &[&str],
) -> Result<(), sqlx::Error> {
    let query = sqlx::query_scalar::<_, String>(statements);
    let query = parameters.iter().fold(query, |query, parameter| query.bind(*parameter));
    for statement in query.fetch_all(&mut *transaction).await? {
        sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut *transaction).await?;
    }
    Ok(())
}
