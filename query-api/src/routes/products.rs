//! Products over HTTP. How they are read, `products` knows.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use events_schema::limits::DEPARTMENT_CHARS_MAX;
use events_schema::{Sku, Text, Topic};
use http_chassis::path;
use http_chassis::problem::Problem;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::freshness::{Freshness, Seen, applied};
use super::{Api, GET_PRODUCT, LIST_PRODUCTS, ROUTES, found, paging};
use crate::cursor;
use crate::openapi::{FreshnessHeaders, ProductNotFoundProblem, RequestProblems};
use crate::problems::{self, NotFound};
use crate::products::{self, Page, ProductView};

/// Which page.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListQuery {
    /// Products of a page.
    #[param(value_type = u16, required = false, minimum = 1, maximum = 200, default = 50)]
    limit: Option<u16>,
    /// From the `next` of the page before; opaque.
    #[param(value_type = String, required = false)]
    cursor: Option<String>,
    /// Only this department.
    #[param(value_type = String, required = false, min_length = 1, max_length = 100, pattern = "\\S")]
    department: Option<String>,
}

/// A page of the catalogue, by SKU.
#[derive(Serialize, ToSchema)]
#[schema(as = ProductPage)]
pub(crate) struct PageView {
    items: Vec<ProductView>,
    /// Where the next page is; also as `Link`. Missing on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "/v1/products?limit=50&cursor=czE6MTAyOTc0Mw")]
    next: Option<String>,
    /// Whether this is from before the `Order-Min-Position` of the request.
    stale: bool,
}

/// A product, as far as the log has been read.
#[derive(Serialize, ToSchema)]
#[schema(as = ProductAnswer)]
pub(crate) struct OneView {
    #[serde(flatten)]
    product: ProductView,
    /// Whether this is from before the `Order-Min-Position` of the request.
    stale: bool,
}

/// List products with what is left of them.
///
/// By SKU. A product that comes while you page is seen if it sorts behind the page that you are on;
/// none is seen twice.
#[utoipa::path(
    get,
    path = "/v1/products",
    tag = "products",
    operation_id = "listProducts",
    params(ListQuery, FreshnessHeaders),
    responses(
        (status = 200, description = "A page.", body = PageView, headers(
            ("Link" = String, description = "`rel=\"next\"`: where the next page is."),
        )),
        RequestProblems,
    ),
)]
pub(crate) async fn list(request: HttpRequest, api: Data<Api>) -> HttpResponse {
    ROUTES.observed(LIST_PRODUCTS, listed(&request, &api)).await
}

async fn listed(request: &HttpRequest, api: &Api) -> Result<HttpResponse, Problem> {
    let query: ListQuery = paging::query(request)?;
    let limit = paging::limit(query.limit)?;
    let page = page(query, limit)?;
    let freshness = Freshness::of(request)?;
    let seen = freshness.read(api, |conn| products::page(conn, &page)).await?;
    let Seen { rows: mut items, stale, waited, .. } = seen;
    let last = paging::cut(&mut items, limit).map(|last| cursor::after(&last.sku));
    let next = last.map(|cursor| link(limit, &cursor, page.department.as_deref()));
    let mut response = paging::linked(next.as_deref());
    Ok(applied(response.json(PageView { items, next, stale }), waited))
}

fn page(query: ListQuery, limit: u16) -> Result<Page, Problem> {
    let after = paging::cursor(query.cursor, cursor::read)?;
    let department = query.department.map(Text::<DEPARTMENT_CHARS_MAX>::try_from).transpose();
    let invalid = |why| problems::invalid_query(format!("department: {why}"));
    let department = department.map_err(invalid)?.map(|text| text.as_str().to_owned());
    Ok(Page { after, department, rows_max: i64::from(limit) + 1 })
}

fn link(limit: u16, cursor: &str, department: Option<&str>) -> String {
    #[derive(Serialize)]
    struct Link<'a> {
        limit: u16,
        cursor: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        department: Option<&'a str>,
    }
    let query = serde_urlencoded::to_string(Link { limit, cursor, department });
    format!("/v1/products?{}", query.unwrap_or_default())
}

/// See a product with what is left of it.
#[utoipa::path(
    get,
    path = "/v1/products/{sku}",
    tag = "products",
    operation_id = "getProduct",
    params(("sku" = String, Path, description = "The SKU.", min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9._-]+$"), FreshnessHeaders),
    responses(
        (status = 200, description = "The product.", body = OneView),
        ProductNotFoundProblem,
        RequestProblems,
    ),
)]
pub(crate) async fn get(request: HttpRequest, api: Data<Api>) -> HttpResponse {
    ROUTES.observed(GET_PRODUCT, one(&request, &api)).await
}

async fn one(request: &HttpRequest, api: &Api) -> Result<HttpResponse, Problem> {
    let sku: Sku = path(request, "sku")?;
    let freshness = Freshness::of(request)?;
    let seen = freshness.read(api, |conn| products::find(conn, &sku)).await?;
    let Seen { rows, reached, stale, waited } = seen;
    let response = match rows.into_iter().next() {
        Some(product) => found(&OneView { product, stale }),
        None => NotFound::product(stale, &freshness.named(Topic::Products, &reached)).response(),
    };
    Ok(applied(response, waited))
}
