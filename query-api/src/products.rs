//! Products with their stock as clients see them, and the queries that read them. Knows no HTTP.

use chrono::{DateTime, Utc};
use events_schema::Sku;
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use utoipa::ToSchema;

use crate::database::Reading;
use crate::snapshot::{self, Snapshot, snapshot_of};

/// A product with what is left of it.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Product)]
pub(crate) struct ProductView {
    #[schema(example = "1029743")]
    pub(crate) sku: String,
    #[schema(example = "FLUID MILK WHITE ONLY 1 GA")]
    name: String,
    #[schema(example = "GROCERY")]
    department: String,
    /// Of one unit, in minor units of the currency.
    #[schema(example = 259)]
    price_minor: i64,
    /// ISO 4217.
    #[schema(example = "USD")]
    currency: String,
    /// Units that can be ordered now; 0 where it never had stock.
    #[schema(example = 40)]
    available: i64,
    updated_at: DateTime<Utc>,
}

/// Which part of the catalogue.
#[derive(Debug, Clone)]
pub(crate) struct Page {
    /// Behind this SKU; from the beginning without.
    pub(crate) after: Option<Sku>,
    pub(crate) department: Option<String>,
    pub(crate) rows_max: i64,
}

// The stock is looked up row by row of the page: a join could read it all for one page. Without a
// department there is a statement of its own, because a plan for both would use no index.
macro_rules! select {
    ($rest:literal) => {
        snapshot_of!(concat!(
            "SELECT sku, name, department, price_minor, currency, updated_at,
                    coalesce((SELECT available FROM stock WHERE stock.sku = products.sku), 0)
                    AS available
             FROM products WHERE ",
            $rest
        ))
    };
}

/// A page of the catalogue, by SKU.
pub(crate) fn page<'c>(
    conn: &'c mut PgConnection,
    page: &Page,
) -> Reading<'c, Snapshot<ProductView>> {
    let query = match &page.department {
        None => sqlx::query_as(select!("sku > $1 ORDER BY sku LIMIT $2")),
        Some(_) => sqlx::query_as(select!("department = $3 AND sku > $1 ORDER BY sku LIMIT $2")),
    };
    let after = page.after.as_ref().map_or("", Sku::as_str).to_owned();
    let query = query.bind(after).bind(page.rows_max);
    match page.department.clone() {
        None => snapshot::read(query, conn),
        Some(department) => snapshot::read(query.bind(department), conn),
    }
}

/// One product, or none.
pub(crate) fn find<'c>(
    conn: &'c mut PgConnection,
    sku: &Sku,
) -> Reading<'c, Snapshot<ProductView>> {
    snapshot::read(sqlx::query_as(select!("sku = $1")).bind(sku.to_string()), conn)
}
