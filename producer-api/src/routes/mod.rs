//! HTTP only: which path and method leads where, and what every answer has in common. Decides
//! nothing about orders or products.

pub(crate) mod orders;
pub(crate) mod products;

use std::sync::Arc;

use actix_web::http::header::{HeaderName, LOCATION};
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use events_schema::wire::Encoder;
use events_schema::{IdempotencyKey, OrderId, RecordPosition};
use http_chassis::problem::Problem;
use http_chassis::problems::invalid_header;
use http_chassis::{Route, Routes};
use serde::Serialize;
use utoipa::ToSchema;

use crate::body::Room;
use crate::catalogue::Catalogue;
use crate::problems;
use crate::publisher::Publisher;
use crate::schemas::Schemas;

/// Where an accepted event is in the log.
const ORDER_POSITION: HeaderName = HeaderName::from_static("order-position");
/// What makes a retry the same request.
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

const PLACE_ORDER: Route = Route("place_order");
const CANCEL_ORDER: Route = Route("cancel_order");
const PUT_PRODUCT: Route = Route("put_product");
const DELETE_PRODUCT: Route = Route("delete_product");
const RECEIVE_STOCK: Route = Route("receive_stock");

/// What a request can be for, and every status that a handler answers with.
pub(crate) static ROUTES: Routes = Routes::new(
    &[PLACE_ORDER, CANCEL_ORDER, PUT_PRODUCT, DELETE_PRODUCT, RECEIVE_STOCK],
    &[202, 400, 404, 405, 408, 413, 415, 422, 500, 503],
);

/// What every request is served with. Clones share it.
#[derive(Clone)]
pub(crate) struct Api {
    pub(crate) publisher: Arc<Publisher>,
    pub(crate) catalogue: Catalogue,
    pub(crate) schemas: Schemas,
    pub(crate) room: Room,
    /// Before the path of a Location: empty, or where the query API is.
    pub(crate) query_api_url: Arc<str>,
}

impl Api {
    fn encoder(&self) -> Result<&Encoder, Problem> {
        self.schemas.encoder().ok_or_else(|| problems::not_ready("the schemas' registration"))
    }

    /// Where the order can be read.
    fn location(&self, order_id: OrderId) -> String {
        format!("{}/v1/orders/{order_id}", self.query_api_url)
    }
}

/// Every path with the methods it knows.
pub(crate) fn configure(config: &mut ServiceConfig) {
    ROUTES.resource(config, "/v1/orders", "POST", web::post().to(orders::place));
    ROUTES.resource(config, "/v1/orders/{order_id}/cancel", "POST", web::post().to(orders::cancel));
    let of_product = [web::put().to(products::put), web::delete().to(products::delete)];
    ROUTES.resource_with(config, "/v1/products/{sku}", "DELETE, PUT", of_product);
    ROUTES.resource(
        config,
        "/v1/products/{sku}/stock",
        "POST",
        web::post().to(products::receive_stock),
    );
}

/// What is answered once the event is replicated.
#[derive(Serialize, ToSchema)]
pub(crate) struct Accepted {
    /// The order, where it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    order_id: Option<String>,
    /// The SKU, where it is about a product.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = json!(null))]
    sku: Option<String>,
    /// Always `accepted`: what becomes of it is decided later.
    #[schema(example = "accepted")]
    status: &'static str,
    /// `topic:partition@offset`; a read with this `Order-Min-Position` sees its effect.
    #[schema(example = "orders:3@42")]
    position: String,
}

fn accepted(answer: Accepted, location: Option<String>) -> HttpResponse {
    let mut response = HttpResponse::Accepted();
    response.insert_header((ORDER_POSITION, answer.position.as_str()));
    if let Some(location) = location {
        response.insert_header((LOCATION, location));
    }
    response.json(answer)
}

fn accepted_order(order_id: String, position: RecordPosition) -> Accepted {
    let position = position.to_string();
    Accepted { order_id: Some(order_id), sku: None, status: "accepted", position }
}

fn accepted_product(sku: String, position: RecordPosition) -> Accepted {
    let position = position.to_string();
    Accepted { order_id: None, sku: Some(sku), status: "accepted", position }
}

/// The request's key, where it has one.
fn idempotency_key(request: &HttpRequest) -> Result<Option<IdempotencyKey>, Problem> {
    let mut values = request.headers().get_all(IDEMPOTENCY_KEY);
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(invalid_header("Idempotency-Key: must stand once".to_owned()));
    }
    let text = value.to_str().unwrap_or_default();
    let key = text.parse().map_err(|e| invalid_header(format!("Idempotency-Key: {e}")));
    key.map(Some)
}
