//! The positions in Postgres: read, and moved in one transaction. Decides nothing.

use anyhow::Context;
use sqlx::{AssertSqlSafe, Connection, PgConnection, Postgres, Transaction};

use super::misfit::Stand;

/// Topic and partition.
type Place = (String, i32);

/// Where a projection stands, in the order of topic and partition.
pub(super) async fn all(
    admin: &mut PgConnection,
    projection: &str,
) -> anyhow::Result<Vec<(Place, Stand)>> {
    // The schema's name is a constant of ours, quoted because it may hold a hyphen.
    let sql = format!(
        "SELECT topic, partition, topic_id, next_offset FROM \"{projection}\".positions
         ORDER BY topic, partition"
    );
    let rows: Vec<(String, i32, String, i64)> =
        sqlx::query_as(AssertSqlSafe(sql)).fetch_all(admin).await.with_context(|| {
            format!("could not read schema {projection}; has `{projection} migrate` been run?")
        })?;
    let row = |(topic, partition, topic_id, next)| ((topic, partition), Stand { topic_id, next });
    Ok(rows.into_iter().map(row).collect())
}

/// A position that is held still while it is looked at; nothing happens without a commit.
pub(super) struct Change<'a> {
    transaction: Transaction<'a, Postgres>,
    projection: &'a str,
    topic: &'a str,
    partition: i32,
}

impl<'a> Change<'a> {
    pub(super) async fn begin(
        admin: &'a mut PgConnection,
        projection: &'a str,
        topic: &'a str,
        partition: i32,
    ) -> anyhow::Result<Self> {
        Ok(Self { transaction: admin.begin().await?, projection, topic, partition })
    }

    /// The position, locked; `None` where there is none.
    pub(super) async fn stand(&mut self) -> anyhow::Result<Option<Stand>> {
        let sql = format!(
            "SELECT topic_id, next_offset FROM \"{}\".positions
             WHERE topic = $1 AND partition = $2 FOR UPDATE",
            self.projection
        );
        let query = sqlx::query_as(AssertSqlSafe(sql)).bind(self.topic).bind(self.partition);
        let row: Option<(String, i64)> = query.fetch_optional(&mut *self.transaction).await?;
        Ok(row.map(|(topic_id, next)| Stand { topic_id, next }))
    }

    /// Moves it. The new epoch keeps out every worker that took it before.
    pub(super) async fn commit(mut self, topic_id: &str, next: i64) -> anyhow::Result<()> {
        let sql = format!(
            "UPDATE \"{}\".positions SET topic_id = $3, next_offset = $4, epoch = epoch + 1,
                    updated_at = clock_timestamp()
             WHERE topic = $1 AND partition = $2",
            self.projection
        );
        let query = sqlx::query(AssertSqlSafe(sql)).bind(self.topic).bind(self.partition);
        query.bind(topic_id).bind(next).execute(&mut *self.transaction).await?;
        self.transaction.commit().await.context("nobody knows whether the position was moved")
    }
}
