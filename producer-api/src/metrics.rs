//! The metrics of this crate: names in one place, handles that are looked up once. Decides nothing.

use std::sync::LazyLock;
use std::time::Duration;

use ::metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};

/// Requests answered, by `route` and `status`.
pub(crate) const REQUESTS: &str = "orderflow_http_requests_total";
/// From the request's head to its answer, by `route`.
pub(crate) const REQUEST_SECONDS: &str = "orderflow_http_request_seconds";
/// Records handed to the client of Kafka, by `outcome`.
pub(crate) const PUBLISHED: &str = "orderflow_publish_total";
/// From the record's hand-over to its delivery report.
pub(crate) const PUBLISH_SECONDS: &str = "orderflow_publish_seconds";
/// Records on their way.
pub(crate) const IN_FLIGHT: &str = "orderflow_publish_in_flight";
/// Producers given up after a fatal error.
pub(crate) const PRODUCERS_REBUILT: &str = "orderflow_producer_rebuilt_total";
/// Records without a delivery report when the process ended.
pub(crate) const UNDELIVERED: &str = "orderflow_shutdown_undelivered_records";
/// Products in the catalogue.
pub(crate) const CATALOGUE_PRODUCTS: &str = "orderflow_catalogue_products";
/// Records of the products topic that the catalogue has yet to read.
pub(crate) const CATALOGUE_LAG: &str = "orderflow_catalogue_lag_records";
/// Records of the products topic that could not be read, and were passed over.
pub(crate) const CATALOGUE_SKIPPED: &str = "orderflow_catalogue_skipped_total";

/// What a request was for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Route {
    PlaceOrder,
    CancelOrder,
    PutProduct,
    ReceiveStock,
    /// A path or method that does not exist.
    Unmatched,
}

impl Route {
    const ALL: [Self; 5] = [
        Self::PlaceOrder,
        Self::CancelOrder,
        Self::PutProduct,
        Self::ReceiveStock,
        Self::Unmatched,
    ];

    fn label(self) -> &'static str {
        match self {
            Self::PlaceOrder => "place_order",
            Self::CancelOrder => "cancel_order",
            Self::PutProduct => "put_product",
            Self::ReceiveStock => "receive_stock",
            Self::Unmatched => "unmatched",
        }
    }
}

/// Every status that a handler answers with.
const STATUSES: [(u16, &str); 10] = [
    (202, "202"),
    (400, "400"),
    (404, "404"),
    (405, "405"),
    (408, "408"),
    (413, "413"),
    (415, "415"),
    (422, "422"),
    (500, "500"),
    (503, "503"),
];

struct OfRoute {
    route: Route,
    seconds: Histogram,
    statuses: Vec<(u16, Counter)>,
}

static ROUTES: LazyLock<Vec<OfRoute>> = LazyLock::new(|| {
    let of_route = |route: Route| OfRoute {
        route,
        seconds: histogram!(REQUEST_SECONDS, "route" => route.label()),
        statuses: STATUSES
            .iter()
            .map(|(status, label)| {
                (*status, counter!(REQUESTS, "route" => route.label(), "status" => *label))
            })
            .collect(),
    };
    Route::ALL.map(of_route).into()
});

/// Counts an answered request.
pub(crate) fn answered(route: Route, status: u16, took: Duration) {
    let Some(of_route) = ROUTES.iter().find(|of_route| of_route.route == route) else { return };
    of_route.seconds.record(took);
    match of_route.statuses.iter().find(|(known, _)| *known == status) {
        Some((_, counter)) => counter.increment(1),
        None => counter!(REQUESTS, "route" => route.label(), "status" => "other").increment(1),
    }
}

/// Handles of the publisher.
pub(crate) struct Publishing {
    pub(crate) delivered: Counter,
    pub(crate) queue_full: Counter,
    pub(crate) unavailable: Counter,
    pub(crate) unknown: Counter,
    pub(crate) defect: Counter,
    pub(crate) seconds: Histogram,
    pub(crate) in_flight: Gauge,
}

impl Publishing {
    pub(crate) fn new() -> Self {
        Self {
            delivered: counter!(PUBLISHED, "outcome" => "delivered"),
            queue_full: counter!(PUBLISHED, "outcome" => "queue_full"),
            unavailable: counter!(PUBLISHED, "outcome" => "unavailable"),
            unknown: counter!(PUBLISHED, "outcome" => "unknown"),
            defect: counter!(PUBLISHED, "outcome" => "defect"),
            seconds: histogram!(PUBLISH_SECONDS),
            in_flight: gauge!(IN_FLIGHT),
        }
    }
}
