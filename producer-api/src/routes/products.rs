//! The requests about products and their stock over HTTP. Looks nothing up in the catalogue: stock
//! may come before the product is described.

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use events_schema::{Event, EventId, ProductDelisted, ProductUpserted, Sku, StockReceived};
use http_chassis::path;
use http_chassis::problem::{Problem, Retry};

use super::{
    Accepted, Api, DELETE_PRODUCT, PUT_PRODUCT, RECEIVE_STOCK, ROUTES, accepted, accepted_product,
    idempotency_key,
};
use crate::openapi::RequestProblems;
use crate::problems::Advice;
use crate::product_request::{self, ProductBody, ProductRequest, StockBody};
use crate::{body, problems, trace};

/// Describe a product.
///
/// The description replaces the one before, so a repetition changes nothing and needs no
/// Idempotency-Key; one that is sent is ignored. Orders see the price once it has come through the
/// products topic, usually within milliseconds.
#[utoipa::path(
    put,
    path = "/v1/products/{sku}",
    tag = "products",
    operation_id = "putProduct",
    params(("sku" = String, Path, description = "The SKU.", min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9._-]+$"), crate::openapi::TraceHeader),
    request_body = ProductBody,
    responses(
        (status = 202, description = "The description is in the log.", body = Accepted, headers(
            ("Order-Position" = String, description = "The position, for `Order-Min-Position`."),
        )),
        RequestProblems,
    ),
)]
pub(crate) async fn put(request: HttpRequest, payload: Payload, api: Data<Api>) -> HttpResponse {
    ROUTES.observed(PUT_PRODUCT, described(&request, payload, &api)).await
}

async fn described(
    request: &HttpRequest,
    payload: Payload,
    api: &Api,
) -> Result<HttpResponse, Problem> {
    let sku: Sku = path(request, "sku")?;
    let asked = ProductRequest::parse(&body::read(request, payload, &api.room).await?)?;
    let event = ProductUpserted {
        event_id: EventId::time_ordered(),
        sku,
        name: asked.name,
        department: asked.department,
        price_minor: asked.price_minor,
        currency: asked.currency,
        updated_at: chassis::clock::now().into(),
    };
    let advice = (Retry::Later, "repeat it: the description is the same");
    publish(request, api, event.into(), advice).await
}

/// Delist a product.
///
/// Writes a tombstone: the product can be ordered no more and is listed no more, until it is
/// described again. What is in stock stays, and so do the orders. Nothing is looked up, so that a
/// description that is on its way cannot be overtaken: delisting what is not listed is accepted and
/// changes nothing, and it may be repeated at will. A body is ignored.
#[utoipa::path(
    delete,
    path = "/v1/products/{sku}",
    tag = "products",
    operation_id = "deleteProduct",
    params(("sku" = String, Path, description = "The SKU.", min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9._-]+$"), crate::openapi::TraceHeader),
    responses(
        (status = 202, description = "The tombstone is in the log.", body = Accepted, headers(
            ("Order-Position" = String, description = "The position, for `Order-Min-Position`."),
        )),
        RequestProblems,
    ),
)]
pub(crate) async fn delete(request: HttpRequest, api: Data<Api>) -> HttpResponse {
    ROUTES.observed(DELETE_PRODUCT, delisted(&request, &api)).await
}

async fn delisted(request: &HttpRequest, api: &Api) -> Result<HttpResponse, Problem> {
    let sku: Sku = path(request, "sku")?;
    let delisted_at = chassis::clock::now().into();
    let event = ProductDelisted { event_id: EventId::time_ordered(), sku, delisted_at };
    let advice = (Retry::Later, "repeat it: it is delisted once");
    publish(request, api, event.into(), advice).await
}

/// Book stock that came, or left.
///
/// The same delta of the same SKU under the same Idempotency-Key counts once; without a key every
/// request counts. Another delta under a used key is another movement, and counts too: a client
/// that wants to correct a delta sends the difference.
///
/// `202` says that the delta is in the log. A write-off of more than there is then changes nothing:
/// `GET /v1/products/{sku}/stock-refusals` of the query API says so, with the `Order-Position` of
/// this answer as `Order-Min-Position`. It stays refused, also repeated under its key.
#[utoipa::path(
    post,
    path = "/v1/products/{sku}/stock",
    tag = "products",
    operation_id = "receiveStock",
    params(("sku" = String, Path, description = "The SKU.", min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9._-]+$"), crate::openapi::RequestHeaders),
    request_body = StockBody,
    responses(
        (status = 202, description = "The delta is in the log.", body = Accepted, headers(
            ("Order-Position" = String, description = "The position, for `Order-Min-Position`."),
        )),
        RequestProblems,
    ),
)]
pub(crate) async fn receive_stock(
    request: HttpRequest,
    payload: Payload,
    api: Data<Api>,
) -> HttpResponse {
    ROUTES.observed(RECEIVE_STOCK, received(&request, payload, &api)).await
}

async fn received(
    request: &HttpRequest,
    payload: Payload,
    api: &Api,
) -> Result<HttpResponse, Problem> {
    let key = idempotency_key(request)?;
    let sku: Sku = path(request, "sku")?;
    let delta = product_request::parse_stock(&body::read(request, payload, &api.room).await?)?;
    let event_id = match &key {
        Some(key) => EventId::of_stock(&sku, delta, key),
        None => EventId::time_ordered(),
    };
    let event = StockReceived { event_id, sku, delta, received_at: chassis::clock::now().into() };
    let words = match key {
        Some(_) => "retry with the same Idempotency-Key: it counts once",
        None => "the request had no Idempotency-Key: repeated, it may count twice",
    };
    publish(request, api, event.into(), (Retry::SameKey, words)).await
}

async fn publish(
    request: &HttpRequest,
    api: &Api,
    event: Event,
    advice: Advice,
) -> Result<HttpResponse, Problem> {
    let sku = event.key().to_owned();
    // What these become is small, whatever their bodies were.
    let traceparent = trace::of(request);
    let published = api.publisher.publish(api.encoder()?, event, &traceparent, None).await;
    let position = published.map_err(|error| problems::unpublished(&error, advice))?;
    Ok(accepted(accepted_product(sku, position), None))
}
