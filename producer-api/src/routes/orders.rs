//! The requests about orders over HTTP. What an order is, `accept_order` decides.

use actix_web::http::header::{HeaderValue, LOCATION};
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use events_schema::{Event, EventId, EventType, OrderCancelRequested, OrderId, OrderPlaced};
use http_chassis::path;
use http_chassis::problem::{Problem, Retry};

use super::{
    Accepted, Api, CANCEL_ORDER, PLACE_ORDER, ROUTES, accepted, accepted_order, idempotency_key,
};
use crate::accept_order::{accept, look_up, order_id};
use crate::openapi::{OrderProblems, RequestProblems};
use crate::order_request::{CancelBody, CancelRequest, OrderBody, OrderRequest, customer_of};
use crate::problems::Advice;
use crate::publisher::PublishError;
use crate::{body, problems, trace};

/// Place an order.
///
/// Answers once the order is replicated in Kafka; whether there is enough stock is decided after
/// that, and shown at the Location. The same Idempotency-Key of the same customer is the same
/// order: the first one counts, and another one under its key (other lines or another locale) is
/// a conflict that changes nothing. Another contact alone is no conflict: the first contact stays.
///
/// What is refused may change: a product is delisted, a limit is lowered. So a refusal under an
/// Idempotency-Key speaks of a new order only. Where an earlier try under the key may have placed
/// the order, `order_id` and the Location say where it is then: ask there before you tell anybody
/// that there is none.
#[utoipa::path(
    post,
    path = "/v1/orders",
    tag = "orders",
    operation_id = "placeOrder",
    params(crate::openapi::RequestHeaders),
    request_body = OrderBody,
    responses(
        (status = 202, description = "The order is in the log.", body = Accepted, headers(
            ("Location" = String, description = "Where the order can be read, at the query API: absolute where the operator has named it (`QUERY_API_URL`), else the path there."),
            ("Order-Position" = String, description = "The position, for `Order-Min-Position`."),
        )),
        OrderProblems,
        RequestProblems,
    ),
)]
pub(crate) async fn place(request: HttpRequest, payload: Payload, api: Data<Api>) -> HttpResponse {
    ROUTES.observed(PLACE_ORDER, placed(&request, payload, &api)).await
}

async fn placed(
    request: &HttpRequest,
    payload: Payload,
    api: &Api,
) -> Result<HttpResponse, Problem> {
    let key = idempotency_key(request)?;
    let body = body::read(request, payload, &api.room).await?;
    let asked = OrderRequest::parse(&body).map_err(|problem| match (&key, customer_of(&body)) {
        (Some(key), Some(customer)) => of_new_only(problem, api, OrderId::for_key(&customer, key)),
        _ => problem,
    })?;
    let order_id = order_id(&asked, key.as_ref());
    let refused = |problem| match key.is_some() {
        true => of_new_only(problem, api, order_id),
        false => problem,
    };
    let encoder = api.encoder().map_err(refused)?;
    let order = priced(api, asked, order_id).map_err(refused)?;
    let (room, traceparent) = (body.into_room(), trace::of(request));
    let published = api.publisher.publish(encoder, order.into(), &traceparent, room).await;
    let position = match published {
        Ok(position) => position,
        Err(PublishError::Unknown) => return Err(unknown(api, order_id, key.is_some())),
        Err(error) => return Err(refused(problems::unpublished(&error, NOTHING_ACCEPTED))),
    };
    let location = api.location(order_id);
    Ok(accepted(accepted_order(order_id.to_string(), position), Some(location)))
}

fn priced(api: &Api, asked: OrderRequest, order_id: OrderId) -> Result<OrderPlaced, Problem> {
    let found = api.catalogue.look_up(|prices| look_up(&asked, prices));
    let found = found.ok_or_else(|| problems::not_ready("the catalogue"))?;
    accept(asked, order_id, found, chassis::clock::now().into())
}

/// Where the outcome is known, no advice on it is given.
const NOTHING_ACCEPTED: Advice = (Retry::Later, "");

/// An order that may or may not have been placed can be looked for.
fn unknown(api: &Api, order_id: OrderId, has_key: bool) -> Problem {
    let words = match has_key {
        true => "retry with the same Idempotency-Key: it is the same order",
        false => "the request had no Idempotency-Key: look at the Location before you repeat it",
    };
    let problem = problems::unpublished(&PublishError::Unknown, (Retry::SameKey, words));
    found_at(problem, api, order_id)
}

/// A refusal of a request with a key. What an earlier try under it came to is not for this API to
/// know: it may be in the log, and only now be refused.
fn of_new_only(problem: Problem, api: &Api, order_id: OrderId) -> Problem {
    let words = "this is about a new order: one that an earlier try under this Idempotency-Key \
                 placed is at the Location";
    let detail = match &problem.detail {
        Some(detail) => format!("{detail}; {words}"),
        None => words.to_owned(),
    };
    found_at(problem.detail(detail), api, order_id)
}

fn found_at(problem: Problem, api: &Api, order_id: OrderId) -> Problem {
    let problem = problem.order_id(order_id.to_string());
    match HeaderValue::from_str(&api.location(order_id)) {
        Ok(location) => problem.header(LOCATION, location),
        Err(_) => problem,
    }
}

/// Ask for the cancellation of an order.
///
/// This API has no store: it takes every well-formed request, and the customer, which decides the
/// order's partition, must be in it. A cancellation of an order that is not known (yet) counts: if
/// the order comes later, it is cancelled from the start. One of an order that belongs to another
/// customer, or is cancelled already, has no effect. It may be repeated at will.
#[utoipa::path(
    post,
    path = "/v1/orders/{order_id}/cancel",
    tag = "orders",
    operation_id = "cancelOrder",
    params(
        ("order_id" = uuid::Uuid, Path, description = "The order."),
        crate::openapi::TraceHeader,
    ),
    request_body = CancelBody,
    responses(
        (status = 202, description = "The request is in the log.", body = Accepted, headers(
            ("Location" = String, description = "Where the order can be read, at the query API: absolute where the operator has named it (`QUERY_API_URL`), else the path there."),
            ("Order-Position" = String, description = "The position, for `Order-Min-Position`."),
        )),
        RequestProblems,
    ),
)]
pub(crate) async fn cancel(request: HttpRequest, payload: Payload, api: Data<Api>) -> HttpResponse {
    ROUTES.observed(CANCEL_ORDER, cancelled(&request, payload, &api)).await
}

async fn cancelled(
    request: &HttpRequest,
    payload: Payload,
    api: &Api,
) -> Result<HttpResponse, Problem> {
    let encoder = api.encoder()?;
    let order_id: OrderId = path(request, "order_id")?;
    let asked = CancelRequest::parse(&body::read(request, payload, &api.room).await?)?;
    let event = Event::from(OrderCancelRequested {
        event_id: EventId::of_order(order_id, EventType::OrderCancelRequested),
        order_id,
        customer_id: asked.customer_id,
        requested_at: chassis::clock::now().into(),
        reason: asked.reason,
    });
    let published = api.publisher.publish(encoder, event, &trace::of(request), None).await;
    let advice = (Retry::Later, "repeat it: it is the same cancellation");
    let position = published.map_err(|error| problems::unpublished(&error, advice))?;
    let answer = accepted_order(order_id.to_string(), position);
    Ok(accepted(answer, Some(api.location(order_id))))
}
