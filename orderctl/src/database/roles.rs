//! Which role owns, serves or reads which schema, and the statements that make it so. Grants on
//! tables are not here: each projection's `migrate` makes them, from its list. Knows no password's
//! source.

use anyhow::Context;
use secrecy::{ExposeSecret, SecretString};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

/// A role that can log in.
#[derive(Debug, Clone)]
pub(super) struct Role {
    pub(super) name: String,
    pub(super) password: SecretString,
}

/// A projection's schema.
#[derive(Debug, Clone)]
pub(super) struct Schema {
    /// Makes and changes tables; nothing serves with it.
    pub(super) owner: Role,
    /// Has the schema's name. Does with the tables what was granted.
    pub(super) service: Role,
}

/// Who owns what.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub(super) schemas: Vec<Schema>,
    /// Reads what was granted of the schema of `reads`.
    pub(super) reader: Role,
    pub(super) reads: String,
}

impl Plan {
    pub(super) fn of_the_system(password: impl Fn(&str) -> SecretString) -> Self {
        let role = |name: &str| Role { name: name.to_owned(), password: password(name) };
        let schemas = ["inventory", "confirmation-email", "analytics"];
        let schemas = schemas
            .map(|name| Schema { owner: role(&format!("{name}-owner")), service: role(name) });
        Self { schemas: schemas.into(), reader: role("query-api"), reads: "inventory".into() }
    }

    /// One line per role, for people.
    pub(super) fn describe(&self) -> Vec<String> {
        let lines = |schema: &Schema| {
            let (owner, name) = (&schema.owner.name, &schema.service.name);
            [format!("{owner}  owns schema \"{name}\""), format!("{name}  serves it")]
        };
        let reader = format!("{}  reads of schema \"{}\"", self.reader.name, self.reads);
        self.schemas.iter().flat_map(lines).chain([reader]).collect()
    }

    /// Each role, and the only schema in which it has anything to do.
    pub(super) fn roles(&self) -> impl Iterator<Item = (&Role, &str)> {
        let reader = (&self.reader, self.reads.as_str());
        self.schemas.iter().flat_map(Schema::roles).chain([reader])
    }
}

impl Schema {
    fn roles(&self) -> [(&Role, &str); 2] {
        [(&self.owner, &self.service.name), (&self.service, &self.service.name)]
    }
}

/// Makes it so; again changes nothing.
pub(super) async fn apply(admin: &mut PgConnection, plan: &Plan) -> anyhow::Result<()> {
    super::answered(apply_once(admin, plan)).await.context("could not make the roles and schemas")
}

async fn apply_once(admin: &mut PgConnection, plan: &Plan) -> Result<(), sqlx::Error> {
    let mut transaction = admin.begin().await?;
    sqlx::raw_sql(ONE_AFTER_THE_OTHER).execute(&mut *transaction).await?;
    execute(&mut transaction, CLOSE_THE_DATABASE, &[]).await?;
    for (role, _) in plan.roles() {
        let parameters = [role.name.as_str(), role.password.expose_secret()];
        execute(&mut transaction, MAKE_ROLE, &parameters).await?;
    }
    for Schema { owner, service } in &plan.schemas {
        let parameters = [service.name.as_str(), &owner.name, &plan.reader.name];
        execute(&mut transaction, TAKE_OVER, &parameters).await?;
        execute(&mut transaction, OWN_A_SCHEMA, &parameters[..2]).await?;
    }
    for (role, schema) in plan.roles() {
        execute(&mut transaction, TOUCH_NO_OTHER, &[&role.name, schema]).await?;
    }
    execute(&mut transaction, LOOK_INTO, &[&plan.reader.name, &plan.reads]).await?;
    transaction.commit().await
}

/// Roles are the cluster's: of two deployments that change one at the same moment, Postgres refuses
/// one. An advisory lock is of one database, the table of roles of all.
const ONE_AFTER_THE_OTHER: &str = "LOCK TABLE pg_authid IN SHARE ROW EXCLUSIVE MODE";

/// What every role of the cluster may do by default, nobody may do here.
const CLOSE_THE_DATABASE: &str = "
    SELECT format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database())
    UNION ALL SELECT 'REVOKE ALL ON SCHEMA public FROM PUBLIC'
    WHERE EXISTS (SELECT FROM pg_namespace WHERE nspname = 'public')";

/// What a role could do as a member of another, it can do no more, nor anything of an
/// administrator's.
const MAKE_ROLE: &str = "
    SELECT format('CREATE ROLE %I', $1) WHERE NOT EXISTS
        (SELECT FROM pg_roles WHERE rolname = $1)
    UNION ALL SELECT format('ALTER ROLE %I LOGIN PASSWORD %L
        NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS', $1, $2)
    UNION ALL SELECT format('REVOKE %I FROM %I GRANTED BY %I CASCADE', pg_get_userbyid(roleid), $1,
            pg_get_userbyid(grantor))
        FROM pg_auth_members WHERE pg_get_userbyid(member) = $1
    UNION ALL SELECT format(unnest(ARRAY['REVOKE ALL ON DATABASE %I FROM %I',
            'GRANT CONNECT ON DATABASE %I TO %I']), current_database(), $1)";

/// In deployments of before, $1 owned the tables with which it serves, and $3 could read them all.
/// Now they are $2's, and `migrate` says who may do what with them.
const TAKE_OVER: &str = "
    SELECT format(unnest(ARRAY['REASSIGN OWNED BY %1$I TO %2$I',
            'REVOKE ALL ON ALL TABLES IN SCHEMA %1$I FROM %1$I, %3$I']), $1, $2, $3)
        WHERE EXISTS (SELECT FROM pg_namespace
            WHERE nspname = $1 AND pg_get_userbyid(nspowner) = $1)
    UNION ALL SELECT format('ALTER DEFAULT PRIVILEGES FOR ROLE %I IN SCHEMA %I REVOKE ALL ON TABLES FROM %I',
            pg_get_userbyid(defaclrole), nspname, pg_get_userbyid(given.grantee))
        FROM pg_default_acl JOIN pg_namespace AS n ON n.oid = defaclnamespace
            CROSS JOIN LATERAL aclexplode(defaclacl) AS given
        WHERE nspname = $1 AND defaclobjtype = 'r' AND given.grantee <> 0";

/// $2 owns schema $1, in which the role of its name only finds what is there.
const OWN_A_SCHEMA: &str = "
    SELECT format(unnest(ARRAY[
        'CREATE SCHEMA IF NOT EXISTS %1$I AUTHORIZATION %2$I',
        'ALTER SCHEMA %1$I OWNER TO %2$I',
        'REVOKE ALL ON SCHEMA %1$I FROM PUBLIC, %1$I',
        'GRANT USAGE ON SCHEMA %1$I TO %1$I']), $1, $2)";

/// Takes back what $1 was ever given in a schema that is not $2.
const TOUCH_NO_OTHER: &str = "
    SELECT format('REVOKE ALL ON %s %I FROM %I', what, nspname, $1)
    FROM pg_namespace CROSS JOIN unnest(ARRAY['SCHEMA', 'ALL TABLES IN SCHEMA',
        'ALL SEQUENCES IN SCHEMA', 'ALL ROUTINES IN SCHEMA']) AS whats (what)
    WHERE nspname <> $2 AND nspname !~ '^pg_' AND nspname <> 'information_schema'";

/// $1 may name the tables of schema $2, and make none.
const LOOK_INTO: &str = "
    SELECT format(unnest(ARRAY['REVOKE ALL ON SCHEMA %2$I FROM %1$I',
        'GRANT USAGE ON SCHEMA %2$I TO %1$I']), $1, $2)";

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
