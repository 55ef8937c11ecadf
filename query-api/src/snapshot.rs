//! Rows together with how far the projection was when they were read. One statement, because two
//! may be answered by two replicas, and then a position says nothing of the rows. Knows no rows.

use futures::FutureExt;
use serde::de::DeserializeOwned;
use sqlx::postgres::PgArguments;
use sqlx::query::QueryAs;
use sqlx::types::Json;
use sqlx::{PgConnection, Postgres};

use crate::database::Reading;

/// Topic, partition and the offset of the next record to apply.
pub(crate) type PositionRow = (String, i32, i64);

/// Rows, and the positions that they are as of.
#[derive(Debug)]
pub(crate) struct Snapshot<T> {
    pub(crate) rows: Vec<T>,
    pub(crate) positions: Vec<PositionRow>,
}

/// The statement that makes a snapshot of a SELECT.
macro_rules! snapshot_of {
    ($select:expr) => {
        concat!(
            "SELECT (SELECT coalesce(json_agg(found), '[]') FROM (",
            $select,
            ") AS found),
             (SELECT coalesce(json_agg(json_build_array(topic, partition, next_offset)), '[]')
              FROM positions)"
        )
    };
}
pub(crate) use snapshot_of;

/// A bound statement made with [`snapshot_of`].
pub(crate) type Query<'q, T> =
    QueryAs<'q, Postgres, (Json<Vec<T>>, Json<Vec<PositionRow>>), PgArguments>;

/// Runs it.
pub(crate) fn read<'c, T>(
    query: Query<'c, T>,
    conn: &'c mut PgConnection,
) -> Reading<'c, Snapshot<T>>
where
    T: DeserializeOwned + Send + Unpin + 'static,
{
    let rows = query.fetch_one(conn);
    rows.map(|row| row.map(|(Json(rows), Json(positions))| Snapshot { rows, positions })).boxed()
}
