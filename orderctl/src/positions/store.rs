//! The positions in Postgres: read, and moved in one transaction. Decides nothing.

use anyhow::Context;
use sqlx::{Connection, PgConnection, Postgres, Transaction};

use crate::audit::PositionEntry;
use crate::database::{self, answered};
use crate::projection::Projection;

use super::stand::Stand;

/// The columns of a [`Stand`].
macro_rules! stand {
    () => {
        "topic_id, next_offset, CASE WHEN tripped THEN 'tripped' ELSE stopped END"
    };
}

/// Topic and partition.
type Place = (String, i32);

/// Where a projection stands, in the order of topic and partition.
pub(super) async fn all(
    admin: &mut PgConnection,
    projection: Projection,
) -> anyhow::Result<Vec<(Place, Stand)>> {
    database::enter(admin, projection).await?;
    let all =
        concat!("SELECT topic, partition, ", stand!(), " FROM positions ORDER BY topic, partition");
    let rows: Vec<(String, i32, String, i64, Option<String>)> =
        answered(sqlx::query_as(all).fetch_all(admin)).await?;
    let row = |(topic, partition, topic_id, next, stopped)| {
        ((topic, partition), Stand { topic_id, next, stopped })
    };
    Ok(rows.into_iter().map(row).collect())
}

/// A position that is held still while it is looked at; nothing happens without a commit.
pub(super) struct Change<'a> {
    transaction: Transaction<'a, Postgres>,
    topic: &'a str,
    partition: i32,
}

impl<'a> Change<'a> {
    pub(super) async fn begin(
        admin: &'a mut PgConnection,
        projection: Projection,
        topic: &'a str,
        partition: i32,
    ) -> anyhow::Result<Self> {
        database::enter(admin, projection).await?;
        Ok(Self { transaction: answered(admin.begin()).await?, topic, partition })
    }

    /// The position, locked; `None` where there is none.
    pub(super) async fn stand(&mut self) -> anyhow::Result<Option<Stand>> {
        let stand = concat!(
            "SELECT ",
            stand!(),
            " FROM positions WHERE topic = $1 AND partition = $2 FOR UPDATE"
        );
        let stand = sqlx::query_as(stand).bind(self.topic).bind(self.partition);
        let row: Option<(String, i64, Option<String>)> =
            answered(stand.fetch_optional(&mut *self.transaction)).await?;
        Ok(row.map(|(topic_id, next, stopped)| Stand { topic_id, next, stopped }))
    }

    /// Moves it. The new epoch keeps out every worker that took it before. What was admitted of the
    /// same log stays so when it is read again.
    pub(super) async fn go_on_at(&mut self, topic_id: &str, next: i64) -> anyhow::Result<()> {
        let update = "UPDATE positions SET topic_id = $3, next_offset = $4, epoch = epoch + 1,
                          admit_below = CASE WHEN topic_id = $3 THEN admit_below ELSE 0 END,
                          tripped = false, stopped = NULL, updated_at = clock_timestamp()
                      WHERE topic = $1 AND partition = $2";
        let update = sqlx::query(update).bind(self.topic).bind(self.partition);
        let update = update.bind(topic_id).bind(next);
        answered(update.execute(&mut *self.transaction)).await?;
        Ok(())
    }

    /// Closes its breaker, and keeps it closed below this offset.
    pub(super) async fn admit(&mut self, below: i64) -> anyhow::Result<()> {
        let update = "UPDATE positions SET admit_below = $3, tripped = false, stopped = NULL
                      WHERE topic = $1 AND partition = $2";
        let update = sqlx::query(update).bind(self.topic).bind(self.partition).bind(below);
        answered(update.execute(&mut *self.transaction)).await?;
        Ok(())
    }

    /// Lets it go on as it is.
    pub(super) async fn leave(self) -> anyhow::Result<()> {
        Ok(answered(self.transaction.rollback()).await?)
    }

    /// With its entry in the audit.
    pub(super) async fn commit(
        mut self,
        actor: &str,
        action: &'static str,
        detail: serde_json::Value,
    ) -> anyhow::Result<()> {
        let (topic, partition) = (self.topic, self.partition);
        let entry = PositionEntry { actor, action, topic, partition, detail };
        answered(entry.write(&mut self.transaction)).await?;
        answered(self.transaction.commit())
            .await
            .context("nobody knows whether the position was moved")
    }
}
