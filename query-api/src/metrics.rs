//! The metrics of this crate: names in one place, handles that are looked up once. Decides nothing.

use std::sync::LazyLock;
use std::time::Duration;

use ::metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};

/// Requests answered, by `route` and `status`.
const REQUESTS: &str = "orderflow_http_requests_total";
/// From the request's head to its answer, by `route`; includes what the client asked to wait.
const REQUEST_SECONDS: &str = "orderflow_http_request_seconds";
/// Requests that waited for a position, by `outcome`: `reached` or `stale`.
const WAITED: &str = "orderflow_query_waited_total";
/// Requests that wait for a position now.
const WAITING: &str = "orderflow_query_waiting";

/// What a request was for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Route {
    GetOrder,
    ListProducts,
    GetProduct,
    /// A path or method that does not exist.
    Unmatched,
}

impl Route {
    const ALL: [Self; 4] = [Self::GetOrder, Self::ListProducts, Self::GetProduct, Self::Unmatched];

    fn label(self) -> &'static str {
        match self {
            Self::GetOrder => "get_order",
            Self::ListProducts => "list_products",
            Self::GetProduct => "get_product",
            Self::Unmatched => "unmatched",
        }
    }
}

/// Every status that a handler answers with.
const STATUSES: [(u16, &str); 6] =
    [(200, "200"), (400, "400"), (404, "404"), (405, "405"), (500, "500"), (503, "503")];

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
static REACHED: LazyLock<Counter> = LazyLock::new(|| counter!(WAITED, "outcome" => "reached"));
static STALE: LazyLock<Counter> = LazyLock::new(|| counter!(WAITED, "outcome" => "stale"));

/// Counts an answered request.
pub(crate) fn answered(route: Route, status: u16, took: Duration) {
    let Some(of_route) = ROUTES.iter().find(|of_route| of_route.route == route) else { return };
    of_route.seconds.record(took);
    match of_route.statuses.iter().find(|(known, _)| *known == status) {
        Some((_, counter)) => counter.increment(1),
        None => counter!(REQUESTS, "route" => route.label(), "status" => "other").increment(1),
    }
}

/// Counts a request that waited.
pub(crate) fn waited(reached: bool) {
    if reached { REACHED.increment(1) } else { STALE.increment(1) }
}

/// How many wait now.
pub(crate) fn waiting() -> Gauge {
    gauge!(WAITING)
}
