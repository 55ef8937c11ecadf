//! Orders over HTTP. How an order is read, `orders` knows.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use events_schema::{OrderId, Topic};
use http_chassis::path;
use http_chassis::problem::Problem;

use super::freshness::{Freshness, Seen, applied};
use super::{Api, GET_ORDER, ROUTES, found};
use crate::openapi::{FreshnessHeaders, OrderNotFoundProblem, RequestProblems};
use crate::orders::{self, Found, OrderView};
use crate::problems::NotFound;

/// See what became of an order.
///
/// An order is here once inventory has decided it, usually within milliseconds of its `202`. With
/// the `Order-Position` of the `202` as `Order-Min-Position` and `Prefer: wait=5`, the answer comes
/// as soon as it includes the order.
#[utoipa::path(
    get,
    path = "/v1/orders/{order_id}",
    tag = "orders",
    operation_id = "getOrder",
    params(("order_id" = uuid::Uuid, Path, description = "The order."), FreshnessHeaders),
    responses(
        (status = 200, description = "The order.", body = OrderView, headers(
            ("Preference-Applied" = String, description = "How long was waited at most."),
        )),
        OrderNotFoundProblem,
        RequestProblems,
    ),
)]
pub(crate) async fn get(request: HttpRequest, api: Data<Api>) -> HttpResponse {
    ROUTES.observed(GET_ORDER, order(&request, &api)).await
}

async fn order(request: &HttpRequest, api: &Api) -> Result<HttpResponse, Problem> {
    let order_id: OrderId = path(request, "order_id")?;
    let freshness = Freshness::of(request)?;
    let topic = api.progress.name(Topic::Orders);
    let seen = freshness.read(api, |conn| orders::find(conn, &topic, order_id)).await?;
    let Seen { rows, reached, stale, waited } = seen;
    let response = match rows.into_iter().next() {
        Some(Found { order: Some(row), parked }) => found(&row.view(parked, &reached, stale)),
        none => {
            let parked = none.and_then(|found| found.parked);
            let positions = freshness.named(Topic::Orders, &reached);
            NotFound::order(parked, stale, &positions).response()
        }
    };
    Ok(applied(response, waited))
}
