//! Requests whose body nobody reads to its end. Reads none.
//!
//! After the answer actix reads on to the end of a chunked body that was dropped, without a limit of
//! time or size, and keeps the connection meanwhile: whoever never ends one would hold a connection for
//! ever. A body that is still held when the answer is sent makes it say `Connection: close` and hang
//! up, as it does for a body of a known length (`should_close_for_unread_payload` in actix-http).

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use actix_web::HttpMessage;
use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::error::PayloadError;
use actix_web::http::header::TRANSFER_ENCODING;
use actix_web::web::Bytes;
use futures::Stream;

/// The body of a request, for whoever reads it and for whoever holds it.
#[derive(Clone)]
pub(crate) struct Shared(Rc<RefCell<Payload>>);

/// Makes a chunked body one that is held, too.
pub(crate) fn share(request: &mut ServiceRequest) -> Option<Shared> {
    if !request.headers().contains_key(TRANSFER_ENCODING) {
        return None;
    }
    let shared = Shared(Rc::new(RefCell::new(request.take_payload())));
    let stream: Pin<Box<dyn Stream<Item = _>>> = Box::pin(shared.clone());
    request.set_payload(Payload::Stream { payload: stream });
    Some(shared)
}

/// The answer, with the body held until it is sent.
pub(crate) fn hold(answer: ServiceResponse, unread: Option<Shared>) -> ServiceResponse {
    match unread {
        Some(unread) => answer.map_body(|_, body| BoxBody::new(Answer { body, _unread: unread })),
        None => answer,
    }
}

impl Stream for Shared {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut *self.0.borrow_mut()).poll_next(cx)
    }
}

struct Answer {
    body: BoxBody,
    _unread: Shared,
}

impl MessageBody for Answer {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.body).poll_next(cx)
    }
}
