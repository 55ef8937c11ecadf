//! What is awaited on a connection: a request, the rest of its head, or its answer. Reads nothing.

use std::cell::Cell;
use std::rc::Rc;

use actix_web::dev::ServiceRequest;
use actix_web::http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use tokio::time::Instant;

use crate::connection::Limits;

/// What a connection is at.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Phase {
    /// Nothing of the next request has come.
    Idle {
        until: Instant,
        /// What comes may still be the body of the last one.
        is_after_body: bool,
    },
    /// A head has begun.
    Head { until: Instant },
    /// A request is being served: whoever serves it has limits of its own.
    Served,
}

/// The phase, for the connection and for whoever serves its requests.
#[derive(Clone)]
pub(crate) struct Watch {
    phase: Rc<Cell<Phase>>,
    limits: Limits,
}

impl Watch {
    pub(crate) fn new(limits: Limits) -> Self {
        let phase = Phase::Idle { until: Instant::now() + limits.idle, is_after_body: false };
        Self { phase: Rc::new(Cell::new(phase)), limits }
    }

    pub(crate) fn get(&self) -> Phase {
        self.phase.get()
    }

    /// Bytes have come.
    pub(crate) fn heard(&self) {
        if matches!(self.get(), Phase::Idle { .. }) {
            self.phase.set(Phase::Head { until: Instant::now() + self.limits.head });
        }
    }

    /// What is awaited has until then.
    pub(crate) fn put_off(&self, until: Instant) {
        self.phase.set(match self.get() {
            Phase::Idle { is_after_body, .. } => Phase::Idle { until, is_after_body },
            Phase::Head { .. } => Phase::Head { until },
            Phase::Served => Phase::Served,
        });
    }

    pub(crate) fn is_after_body(&self) -> bool {
        matches!(self.get(), Phase::Idle { is_after_body: true, .. })
    }
}

/// A request is being served for as long as it is held.
pub(crate) struct Serving {
    watch: Watch,
    has_body: bool,
}

impl Serving {
    pub(crate) fn begin(request: &ServiceRequest) -> Option<Self> {
        let watch = request.conn_data::<Watch>()?.clone();
        let headers = request.headers();
        let has_body = headers.contains_key(TRANSFER_ENCODING)
            || headers.get(CONTENT_LENGTH).is_some_and(|length| length != "0");
        watch.phase.set(Phase::Served);
        Some(Self { watch, has_body })
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let until = Instant::now() + self.watch.limits.idle;
        self.watch.phase.set(Phase::Idle { until, is_after_body: self.has_body });
    }
}
