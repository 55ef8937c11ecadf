//! `parked discard|release`: an operator's word on records, in one transaction with its audit.

use anyhow::Context;
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};

use super::command::{Discard, Release, Which};
use crate::exit::Outcome;
use crate::projection::Projection;
use crate::{database, output};

pub(super) async fn discard(admin: &mut PgConnection, args: Discard) -> anyhow::Result<Outcome> {
    let change = Change {
        from: &["parked", "quarantined"],
        to: "discarded",
        action: "discarded",
        detail: json!({ "reason": args.reason }),
        actor: args.actor.name(),
        dry_run: args.dry_run,
    };
    change.make(admin, args.projection, &args.which).await
}

pub(super) async fn release(admin: &mut PgConnection, args: Release) -> anyhow::Result<Outcome> {
    let change = Change {
        from: &["quarantined"],
        to: "parked",
        action: "released",
        detail: json!({}),
        actor: args.actor.name(),
        dry_run: false,
    };
    change.make(admin, args.projection, &args.which).await
}

/// From one state to another.
struct Change {
    from: &'static [&'static str],
    to: &'static str,
    action: &'static str,
    detail: Value,
    actor: String,
    dry_run: bool,
}

/// Which records are meant, of those states.
macro_rules! meant {
    () => {
        "state = ANY($1) AND ($2::text IS NULL OR subject = $2)
             AND ($3::text IS NULL OR cause = $3) AND ($4::bigint IS NULL OR id = $4)"
    };
}

/// Number, topic, partition, offset, subject, cause.
type Row = (i64, String, i32, i64, Option<String>, String);

impl Change {
    async fn make(
        self,
        admin: &mut PgConnection,
        projection: Projection,
        which: &Which,
    ) -> anyhow::Result<Outcome> {
        database::enter(admin, projection).await?;
        // Nobody reads while the locks are held: whoever reads may be in no hurry.
        let rows = database::answered(self.settle(admin, which)).await?;
        for (id, topic, partition, offset, subject, cause) in &rows {
            let subject = subject.as_deref().unwrap_or("-");
            output::line(format_args!("{id}  {topic}:{partition}@{offset}  {subject}  {cause}"))?;
        }
        let count = rows.len();
        if self.dry_run {
            output::line(format_args!("{count} records would be {}", self.action))?;
            return Ok(Outcome::Fine);
        }
        output::line(format_args!("{count} records {}", self.action))?;
        Ok(if count > 0 { Outcome::Fine } else { Outcome::Differs })
    }

    async fn settle(&self, admin: &mut PgConnection, which: &Which) -> anyhow::Result<Vec<Row>> {
        if self.dry_run {
            return self.look(admin, which).await;
        }
        let mut transaction = admin.begin().await?;
        lock(&mut transaction).await?;
        let rows = self.apply(&mut transaction, which).await?;
        transaction.commit().await.context("nobody knows whether it was done")?;
        Ok(rows)
    }

    /// What is meant. Locks nothing.
    async fn look(&self, conn: &mut PgConnection, which: &Which) -> anyhow::Result<Vec<Row>> {
        let look = sqlx::query_as(concat!(
            "SELECT id, topic, partition, record_offset, subject, cause FROM parked WHERE ",
            meant!(),
            " ORDER BY id"
        ));
        let look = look.bind(self.from).bind(&which.subject).bind(&which.cause).bind(which.id);
        Ok(look.fetch_all(conn).await?)
    }

    async fn apply(&self, conn: &mut PgConnection, which: &Which) -> anyhow::Result<Vec<Row>> {
        let change = sqlx::query_as(concat!(
            "WITH changed AS (
                 UPDATE parked SET state = $5, redrives_failed = 0 WHERE ",
            meant!(),
            "    RETURNING *),
             told AS (
                 INSERT INTO audit (actor, action, topic, partition, record_offset, parked_id,
                     subject, detail)
                 SELECT $6, $7, topic, partition, record_offset, id, subject, $8
                 FROM changed ORDER BY id)
             SELECT id, topic, partition, record_offset, subject, cause FROM changed ORDER BY id"
        ));
        let change = change.bind(self.from).bind(&which.subject).bind(&which.cause).bind(which.id);
        let change = change.bind(self.to).bind(&self.actor).bind(self.action).bind(&self.detail);
        Ok(change.fetch_all(conn).await?)
    }
}

/// A batch takes the same locks first: so none parks an event behind a record that is being given up.
async fn lock(conn: &mut PgConnection) -> anyhow::Result<()> {
    let lock = "SELECT FROM positions ORDER BY topic, partition FOR UPDATE";
    sqlx::query(lock).execute(conn).await?;
    Ok(())
}
