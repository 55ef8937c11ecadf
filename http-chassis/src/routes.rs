//! What every answer of an API has in common: a problem becomes one, and each is counted. Knows no
//! path by name.

use std::fmt::Display;
use std::str::FromStr;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use crate::problem::{self, Problem};
use actix_web::dev::ServiceResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, ResponseError};

use crate::metrics::{OfRoute, Route};
use crate::problems;

/// A path or method that does not exist.
const UNMATCHED: Route = Route("unmatched");
/// What never became a request.
const UNPARSED: Route = Route("unparsed");
/// What is answered to it.
const UNPARSED_STATUSES: &[u16] = &[400, 408, 431, 503];

/// Everything that requests to one API can be for. Their handles are looked up once, all at the
/// first answer.
pub struct Routes {
    routes: &'static [Route],
    statuses: &'static [u16],
    cache_control: Option<&'static str>,
    handles: OnceLock<Vec<OfRoute>>,
}

impl Routes {
    /// These, and every status that a handler answers with; another one is counted as `other`.
    pub const fn new(routes: &'static [Route], statuses: &'static [u16]) -> Self {
        Self { routes, statuses, cache_control: None, handles: OnceLock::new() }
    }

    /// With `Cache-Control: no-store` in every answer.
    #[must_use]
    pub const fn no_store(mut self) -> Self {
        self.cache_control = Some("no-store");
        self
    }

    /// Adds a path and what it knows. Any other method than those `allowed` (as the header `Allow`
    /// lists them) is answered `405`.
    pub fn resource(
        &'static self,
        config: &mut ServiceConfig,
        path: &str,
        allowed: &'static str,
        route: actix_web::Route,
    ) {
        self.resource_with(config, path, allowed, [route]);
    }

    /// Adds a path that knows several methods, as [`Self::resource`] does.
    pub fn resource_with(
        &'static self,
        config: &mut ServiceConfig,
        path: &str,
        allowed: &'static str,
        routes: impl IntoIterator<Item = actix_web::Route>,
    ) {
        let other = move |request: HttpRequest| async move {
            let problem = problem::method_not_allowed(request.method().as_str(), allowed);
            self.observed(UNMATCHED, async { Err(problem) }).await
        };
        let resource = routes.into_iter().fold(web::resource(path), actix_web::Resource::route);
        config.service(resource.default_service(web::to(other)));
    }

    /// The answer of a path that does not exist.
    pub(crate) async fn not_found(&self, request: HttpRequest) -> HttpResponse {
        self.observed(UNMATCHED, async { Ok(problem::not_found(request).await) }).await
    }

    /// Counts and times an answer; a problem becomes one.
    pub async fn observed(
        &self,
        route: Route,
        answer: impl Future<Output = Result<HttpResponse, Problem>>,
    ) -> HttpResponse {
        let started = Instant::now();
        let mut response = answer.await.unwrap_or_else(|problem| problem.error_response());
        if let Some(value) = self.cache_control {
            response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static(value));
        }
        let (status, took) = (response.status().as_u16(), started.elapsed());
        self.count(route, status, took);
        if status >= 400 {
            response.extensions_mut().insert(Counted);
        }
        tracing::debug!(route = route.0, status, micros = took.as_micros() as u64, "answered");
        response
    }

    /// Counts what was answered in place of a request.
    pub(crate) fn refused(&self, status: StatusCode) {
        self.count(UNPARSED, status.as_u16(), Duration::ZERO);
        tracing::debug!(status = status.as_u16(), "what came is no request");
    }

    /// An error that no handler of ours has answered is counted, too, and is a problem.
    pub(crate) fn settle(&self, answer: ServiceResponse) -> ServiceResponse {
        let status = answer.status();
        let is_error = status.is_client_error() || status.is_server_error();
        if !is_error || answer.response().extensions().contains::<Counted>() || is_report(&answer) {
            return answer;
        }
        self.count(UNMATCHED, status.as_u16(), Duration::ZERO);
        let is_problem = media_type(&answer).starts_with("application/problem+json");
        match is_problem {
            true => answer,
            false => {
                let (request, of_others) = answer.into_parts();
                let mut problem = problems::of_status(status).error_response();
                if let Some(allow) = of_others.headers().get(ALLOW) {
                    problem.headers_mut().insert(ALLOW, allow.clone());
                }
                ServiceResponse::new(request, problem)
            }
        }
    }

    pub(crate) fn cache_control(&self) -> Option<&'static str> {
        self.cache_control
    }

    fn count(&self, route: Route, status: u16, took: Duration) {
        match self.handles().iter().find(|of_route| of_route.route == route) {
            Some(of_route) => of_route.answered(status, took),
            // Not listed: slower, but counted.
            None => OfRoute::new(route, self.statuses).answered(status, took),
        }
    }

    fn handles(&self) -> &[OfRoute] {
        self.handles.get_or_init(|| {
            let all = self.routes.iter().chain([&UNMATCHED]);
            let all = all.map(|route| OfRoute::new(*route, self.statuses));
            all.chain([OfRoute::new(UNPARSED, UNPARSED_STATUSES)]).collect()
        })
    }
}

/// Says of an answer that it is counted.
struct Counted;

/// A probe that fails: whoever asks for health reads the report.
fn is_report(answer: &ServiceResponse) -> bool {
    answer.status() == StatusCode::SERVICE_UNAVAILABLE
        && media_type(answer).starts_with("application/json")
}

fn media_type(answer: &ServiceResponse) -> &str {
    let value = answer.headers().get(CONTENT_TYPE);
    value.and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// A part of the path.
///
/// # Errors
/// `invalid-path`, when it cannot be read.
pub fn path<T: FromStr<Err: Display>>(request: &HttpRequest, name: &str) -> Result<T, Problem> {
    let text = request.match_info().query(name);
    text.parse().map_err(|e: T::Err| problems::invalid_path(format!("{name}: {e}")))
}

#[cfg(test)]
mod tests {
    use actix_web::App;
    use actix_web::test::{TestRequest, call_service, init_service};
    use metrics_exporter_prometheus::PrometheusBuilder;

    use super::*;

    const GET_ORDER: Route = Route("get_order");
    static CACHED: Routes = Routes::new(&[GET_ORDER], &[200, 404, 405]);
    static NOT_STORED: Routes = Routes::new(&[GET_ORDER], &[200, 404, 405]).no_store();

    async fn order(request: HttpRequest) -> HttpResponse {
        let answer = async {
            let number: u8 = path(&request, "order_id")?;
            Ok(HttpResponse::Ok().body(number.to_string()))
        };
        CACHED.observed(GET_ORDER, answer).await
    }

    async fn answer(method: &str, path: &str) -> HttpResponse {
        let paths = |config: &mut ServiceConfig| {
            CACHED.resource(config, "/orders/{order_id}", "GET, HEAD", web::get().to(order));
        };
        let missing = web::to(|request| CACHED.not_found(request));
        let app = init_service(App::new().configure(paths).default_service(missing)).await;
        let request = TestRequest::with_uri(path).method(method.parse().unwrap());
        call_service(&app, request.to_request()).await.into()
    }

    #[actix_web::test]
    async fn a_path_knows_its_methods_and_no_other() {
        assert_eq!(answer("GET", "/orders/7").await.status(), StatusCode::OK);
        assert_eq!(answer("GET", "/orders/x").await.status(), StatusCode::BAD_REQUEST);
        assert_eq!(answer("GET", "/nothing").await.status(), StatusCode::NOT_FOUND);
        let refused = answer("POST", "/orders/7").await;
        assert_eq!(refused.status(), StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(refused.headers().get("allow").unwrap(), "GET, HEAD");
    }

    #[actix_web::test]
    async fn only_who_says_so_forbids_to_store_an_answer() {
        let of = async |routes: &Routes| {
            let answer = routes.observed(GET_ORDER, async { Ok(HttpResponse::Ok().finish()) });
            answer.await.headers().get(CACHE_CONTROL).cloned()
        };
        assert_eq!(of(&CACHED).await, None);
        assert_eq!(of(&NOT_STORED).await.unwrap(), "no-store");
    }

    #[test]
    fn an_error_that_a_library_answers_is_counted_once_and_is_a_problem() {
        let routes: &'static Routes = Box::leak(Box::new(Routes::new(&[GET_ORDER], &[404, 405])));
        let recorder = PrometheusBuilder::new().build_recorder();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let settle = |answer: HttpResponse| {
            let request = TestRequest::default().to_http_request();
            routes.settle(ServiceResponse::new(request, answer))
        };
        ::metrics::with_local_recorder(&recorder, || {
            let bare =
                settle(HttpResponse::MethodNotAllowed().insert_header((ALLOW, "GET")).finish());
            assert_eq!(media_type(&bare), "application/problem+json");
            assert_eq!(bare.headers().get(ALLOW).unwrap(), "GET");
            let problem = problems::invalid_header(String::new());
            let ours = routes.observed(GET_ORDER, async { Err(problem) });
            assert_eq!(settle(runtime.block_on(ours)).status(), 400);
            let report = HttpResponse::ServiceUnavailable().json("a report");
            assert_eq!(media_type(&settle(report)), "application/json");
        });
        let text = recorder.handle().render();
        for (route, status, count) in
            [("unmatched", "405", 1), ("get_order", "other", 1), ("unmatched", "404", 0)]
        {
            let line = format!(
                "orderflow_http_requests_total{{route=\"{route}\",status=\"{status}\"}} {count}\n"
            );
            assert!(text.contains(&line), "{line}{text}");
        }
        let counted = text.lines().filter(|line| line.contains("503") && !line.ends_with(" 0"));
        assert_eq!(counted.count(), 0, "{text}");
    }

    #[test]
    fn every_answer_is_counted_under_its_route_and_status() {
        let routes = Routes::new(&[GET_ORDER], &[200, 404]);
        let recorder = PrometheusBuilder::new().build_recorder();
        let statuses = [(GET_ORDER, 200), (GET_ORDER, 200), (GET_ORDER, 418), (Route("new"), 404)];
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        ::metrics::with_local_recorder(&recorder, || {
            for (route, status) in statuses {
                let status = StatusCode::from_u16(status).unwrap();
                let answer = async { Ok(HttpResponse::new(status)) };
                runtime.block_on(routes.observed(route, answer));
            }
        });
        let text = recorder.handle().render();
        for (route, status, count) in [
            ("get_order", "200", 2),
            ("get_order", "404", 0),
            ("get_order", "other", 1),
            ("new", "404", 1),
            ("unmatched", "404", 0),
        ] {
            let line = format!(
                "orderflow_http_requests_total{{route=\"{route}\",status=\"{status}\"}} {count}\n"
            );
            assert!(text.contains(&line), "{line}{text}");
        }
        assert!(text.contains("orderflow_http_request_seconds_count{route=\"get_order\"} 3\n"));
    }
}
