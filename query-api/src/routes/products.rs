//! Products over HTTP. How they are read, `products` knows.

use actix_web::http::header::LINK;
use actix_web::web::{Data, Query};
use actix_web::{HttpRequest, HttpResponse};
use chassis::problem::Problem;
use events_schema::limits::DEPARTMENT_CHARS_MAX;
use events_schema::{Sku, Text, Topic};
use http_chassis::path;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::freshness::{Freshness, Seen, applied};
use super::{Api, GET_PRODUCT, LIST_PRODUCTS, ROUTES, found};
use crate::cursor;
use crate::openapi::{FreshnessHeaders, ProductNotFoundProblem, RequestProblems};
use crate::problems::{self, NotFound};
use crate::products::{self, Page, ProductView};

/// Most products of a page.
const LIMIT_MAX: u16 = 200;
const LIMIT_DEFAULT: u16 = 50;

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
    let query = Query::<ListQuery>::from_query(request.query_string());
    let query = query.map_err(|error| problems::invalid_query(plain(&error)))?.into_inner();
    let limit = query.limit.unwrap_or(LIMIT_DEFAULT);
    let page = page(query, limit)?;
    let freshness = Freshness::of(request)?;
    let seen = freshness.read(api, |conn| products::page(conn, &page)).await?;
    let Seen { rows: mut items, stale, waited, .. } = seen;
    // One more was asked for than is shown: it only tells that there is a next page.
    let more = items.len() > usize::from(limit);
    items.truncate(usize::from(limit));
    let last = items.last().filter(|_| more).map(|last| cursor::after(&last.sku));
    let next = last.map(|cursor| link(limit, &cursor, page.department.as_deref()));
    let header = next.as_ref().map(|next| (LINK, format!("<{next}>; rel=\"next\"")));
    let view = PageView { items, next, stale };
    let mut response = HttpResponse::Ok();
    header.into_iter().for_each(|header| {
        response.insert_header(header);
    });
    Ok(applied(response.json(view), waited))
}

fn plain(error: &actix_web::error::QueryPayloadError) -> String {
    match error {
        actix_web::error::QueryPayloadError::Deserialize(why) => why.to_string(),
        other => other.to_string(),
    }
}

fn page(query: ListQuery, limit: u16) -> Result<Page, Problem> {
    if !(1..=LIMIT_MAX).contains(&limit) {
        return Err(problems::invalid_query(format!("limit must be 1 to {LIMIT_MAX}")));
    }
    let unreadable = || problems::invalid_query("cursor must be from the next of a page".into());
    let after = query.cursor.map(|text| cursor::read(&text).ok_or_else(unreadable)).transpose()?;
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
