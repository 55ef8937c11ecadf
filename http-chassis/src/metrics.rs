//! The metrics of requests: names in one place, handles that are looked up once. Decides nothing.

use std::time::Duration;

use ::metrics::{Counter, Histogram, counter, histogram};

/// Requests answered, by `route` and `status`.
const REQUESTS: &str = "orderflow_http_requests_total";
/// From the request's head to its answer, by `route`.
const REQUEST_SECONDS: &str = "orderflow_http_request_seconds";

/// How long what is ready waits until its worker comes to it.
pub(crate) const QUEUE_SECONDS: &str = "orderflow_http_queue_seconds";
/// Requests refused because they would have waited too long for that.
pub(crate) const QUEUE_REFUSED: &str = "orderflow_http_queue_refused_total";

/// What a request was for, as the metrics and the log name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route(pub &'static str);

/// Handles of one route.
pub(crate) struct OfRoute {
    pub(crate) route: Route,
    seconds: Histogram,
    statuses: Vec<(u16, Counter)>,
}

impl OfRoute {
    pub(crate) fn new(route: Route, statuses: &[u16]) -> Self {
        let of_status = |status: &u16| (*status, counted(route, status.to_string()));
        Self {
            route,
            seconds: histogram!(REQUEST_SECONDS, "route" => route.0),
            statuses: statuses.iter().map(of_status).collect(),
        }
    }

    /// Counts an answered request.
    pub(crate) fn answered(&self, status: u16, took: Duration) {
        self.seconds.record(took);
        match self.statuses.iter().find(|(known, _)| *known == status) {
            Some((_, counter)) => counter.increment(1),
            None => counted(self.route, "other".to_owned()).increment(1),
        }
    }
}

fn counted(route: Route, status: String) -> Counter {
    counter!(REQUESTS, "route" => route.0, "status" => status)
}
