//! What was refused of a SKU's stock, over HTTP. How it is read, `refusals` knows.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use events_schema::Sku;
use http_chassis::path;
use http_chassis::problem::Problem;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::freshness::{Freshness, Seen, applied};
use super::{Api, LIST_STOCK_REFUSALS, ROUTES, paging};
use crate::cursor;
use crate::openapi::{FreshnessHeaders, RequestProblems};
use crate::refusals::{self, Page, RefusalView};

/// Which page.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct RefusalsQuery {
    /// Refusals of a page.
    #[param(value_type = u16, required = false, minimum = 1, maximum = 200, default = 50)]
    limit: Option<u16>,
    /// From the `next` of the page before; opaque.
    #[param(value_type = String, required = false)]
    cursor: Option<String>,
}

/// A page of what was refused, the newest first.
#[derive(Serialize, ToSchema)]
#[schema(as = StockRefusalPage)]
pub(crate) struct PageView {
    items: Vec<RefusalView>,
    /// Where the next page is; also as `Link`. Missing on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "/v1/products/1029743/stock-refusals?limit=50&cursor=cjE6NDI")]
    next: Option<String>,
    /// Whether this is from before the `Order-Min-Position` of the request.
    stale: bool,
}

/// List what was refused of a product's stock.
///
/// The newest first. Of each SKU the newest hundred are kept, and of all SKUs the newest ten
/// thousand. With the `Order-Position` of the `202` as `Order-Min-Position`, an answer that is not
/// stale includes what became of that record. What was refused once stays refused: a repetition
/// under the same Idempotency-Key changes nothing, and is named by its first position. A SKU of which
/// nothing was refused has an empty list, and so has one that nobody knows.
#[utoipa::path(
    get,
    path = "/v1/products/{sku}/stock-refusals",
    tag = "products",
    operation_id = "listStockRefusals",
    params(("sku" = String, Path, description = "The SKU; it need not be in the catalogue.", min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9._-]+$"), RefusalsQuery, FreshnessHeaders),
    responses(
        (status = 200, description = "A page.", body = PageView, headers(
            ("Link" = String, description = "`rel=\"next\"`: where the next page is."),
        )),
        RequestProblems,
    ),
)]
pub(crate) async fn list(request: HttpRequest, api: Data<Api>) -> HttpResponse {
    ROUTES.observed(LIST_STOCK_REFUSALS, listed(&request, &api)).await
}

async fn listed(request: &HttpRequest, api: &Api) -> Result<HttpResponse, Problem> {
    let sku: Sku = path(request, "sku")?;
    let query: RefusalsQuery = paging::query(request)?;
    let limit = paging::limit(query.limit)?;
    let before = paging::cursor(query.cursor, cursor::refusal)?;
    let page = Page { sku, before, rows_max: i64::from(limit) + 1 };
    let freshness = Freshness::of(request)?;
    let seen = freshness.read(api, |conn| refusals::page(conn, &page)).await?;
    let Seen { rows: mut items, stale, waited, .. } = seen;
    let last = paging::cut(&mut items, limit).map(|last| cursor::before(last.id));
    let path = format!("/v1/products/{}/stock-refusals", page.sku);
    let next = last.map(|cursor| format!("{path}?limit={limit}&cursor={cursor}"));
    let mut response = paging::linked(next.as_deref());
    Ok(applied(response.json(PageView { items, next, stale }), waited))
}
