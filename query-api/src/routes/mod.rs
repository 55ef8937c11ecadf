//! HTTP only: which path leads where, and what every answer has in common. Reads no table.

mod freshness;
pub(crate) mod orders;
mod paging;
pub(crate) mod products;
pub(crate) mod refusals;

use actix_web::HttpResponse;
use actix_web::guard::{Any, Get, Head};
use actix_web::web::{self, ServiceConfig};
use http_chassis::{Route, Routes};
use serde::Serialize;

use crate::database::Database;
use crate::progress::Progress;

const GET_ORDER: Route = Route("get_order");
const LIST_PRODUCTS: Route = Route("list_products");
const GET_PRODUCT: Route = Route("get_product");
const LIST_STOCK_REFUSALS: Route = Route("list_stock_refusals");

/// What a request can be for, and every status that a handler answers with.
pub(crate) static ROUTES: Routes = Routes::new(
    &[GET_ORDER, LIST_PRODUCTS, GET_PRODUCT, LIST_STOCK_REFUSALS],
    &[200, 400, 404, 405, 500, 503],
)
// What is true now may be otherwise in a moment.
.no_store();

/// What every request is served with. Clones share it.
#[derive(Clone)]
pub(crate) struct Api {
    pub(crate) database: Database,
    pub(crate) progress: Progress,
}

/// Every path; they know only GET, and HEAD, which is GET without the body.
pub(crate) fn configure(config: &mut ServiceConfig) {
    resource(config, "/v1/orders/{order_id}", read().to(orders::get));
    resource(config, "/v1/products", read().to(products::list));
    resource(config, "/v1/products/{sku}", read().to(products::get));
    resource(config, "/v1/products/{sku}/stock-refusals", read().to(refusals::list));
}

fn read() -> actix_web::Route {
    web::route().guard(Any(Get()).or(Head()))
}

fn resource(config: &mut ServiceConfig, path: &str, route: actix_web::Route) {
    ROUTES.resource(config, path, "GET, HEAD", route);
}

fn found(body: &impl Serialize) -> HttpResponse {
    HttpResponse::Ok().json(body)
}
