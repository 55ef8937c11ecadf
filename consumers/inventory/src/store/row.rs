//! Values of ours from rows of the database. Runs no statement.

use std::str::FromStr;

use chrono::{DateTime, Utc};
use compact_str::CompactString;
use events_schema::{Currency, MoneyMinor, OrderId, Shortage, Timestamp};
use sqlx::Row;
use sqlx::postgres::PgRow;
use sqlx::types::Json;
use uuid::Uuid;

use crate::order::{Order, Place, Placed, Status};

/// A row of `orders`.
pub(super) fn order(row: &PgRow) -> Result<Order, sqlx::Error> {
    let time = |column| row.try_get::<Option<DateTime<Utc>>, _>(column);
    let status = row.try_get::<&str, _>("status")?;
    Ok(Order {
        order_id: OrderId::from(row.try_get::<Uuid, _>("order_id")?),
        customer_id: parsed(row, "customer_id")?,
        status: Status::parse(status).ok_or_else(|| unreadable("status", "no such status"))?,
        placed: placed(row)?,
        decided_at: time("decided_at")?.map(Timestamp::from),
        cancelled_at: time("cancelled_at")?.map(Timestamp::from),
        shortages: row.try_get::<Json<Vec<Shortage>>, _>("shortages")?.0,
        made_by: Place {
            partition: row.try_get("source_partition")?,
            offset: row.try_get("source_offset")?,
        },
    })
}

fn placed(row: &PgRow) -> Result<Option<Placed>, sqlx::Error> {
    let Some(at) = row.try_get::<Option<DateTime<Utc>>, _>("placed_at")? else {
        return Ok(None);
    };
    let currency = CompactString::new(row.try_get::<&str, _>("currency")?);
    let total = row.try_get::<i64, _>("total_minor")?;
    Ok(Some(Placed {
        currency: Currency::try_from(currency).map_err(|e| unreadable("currency", e))?,
        total: MoneyMinor::try_from(total).map_err(|e| unreadable("total_minor", e))?,
        fingerprint: row.try_get("fingerprint")?,
        at: at.into(),
    }))
}

/// A value that is stored as text.
pub(super) fn parsed<T>(row: &PgRow, column: &str) -> Result<T, sqlx::Error>
where
    T: FromStr<Err: std::error::Error + Send + Sync + 'static>,
{
    row.try_get::<&str, _>(column)?.parse().map_err(|error| unreadable(column, error))
}

fn unreadable(
    column: &str,
    why: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> sqlx::Error {
    sqlx::Error::ColumnDecode { index: column.to_owned(), source: why.into() }
}
