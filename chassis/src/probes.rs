//! Liveness, readiness and metrics over HTTP. Decides nothing: it answers what `health` was told.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, HeaderValue};
use actix_web::web::{self, ServiceConfig};
use actix_web::{App, Handler, HttpRequest, HttpResponse, HttpServer, Resource, Responder, guard};
use anyhow::Context;
use serde::Serialize;

use crate::process::Process;
use crate::settings::{self, SettingsError};

#[derive(Serialize, Default)]
struct Report<'a> {
    status: &'a str,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    dependencies: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    overdue: Vec<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    remarks: BTreeMap<String, String>,
}

async fn livez(process: web::Data<Process>) -> HttpResponse {
    let overdue = process.health.overdue();
    let alive = overdue.is_empty();
    let status = if alive { "alive" } else { "stuck" };
    answer(alive, &Report { status, overdue, ..Report::default() })
}

async fn readyz(process: web::Data<Process>) -> HttpResponse {
    if process.shutdown.is_cancelled() {
        return answer(false, &Report { status: "stopping", ..Report::default() });
    }
    let dependencies = process.health.dependencies();
    let ready = dependencies.values().all(Option::is_none);
    let word = |why: Option<String>| why.map_or("up".to_owned(), |why| format!("down: {why}"));
    let dependencies = dependencies.into_iter().map(|(name, why)| (name, word(why))).collect();
    let status = if ready { "ready" } else { "not ready" };
    let remarks = process.health.remarks();
    answer(ready, &Report { status, dependencies, remarks, ..Report::default() })
}

fn answer(fine: bool, report: &Report<'_>) -> HttpResponse {
    let mut response = if fine { HttpResponse::Ok() } else { HttpResponse::ServiceUnavailable() };
    response.insert_header(("Cache-Control", "no-store")).json(report)
}

async fn metrics(process: web::Data<Process>) -> HttpResponse {
    let text = process.metrics.render();
    HttpResponse::Ok().content_type("text/plain; version=0.0.4; charset=utf-8").body(text)
}

/// Adds the three endpoints to an application that holds `web::Data<Process>`.
pub fn configure(config: &mut ServiceConfig) {
    config
        .service(read_only("/livez", livez))
        .service(read_only("/readyz", readyz))
        .service(read_only("/metrics", metrics));
}

/// GET and HEAD, which load balancers ask with; nothing else.
fn read_only<H, F>(path: &str, handler: H) -> Resource
where
    H: Handler<(web::Data<Process>,), Output = F> + Clone,
    F: Responder + 'static,
{
    let other = async |request: HttpRequest| {
        let detail = format!("{} is not possible here, GET and HEAD are", request.method());
        let mut answer = problem("method-not-allowed", "Method not allowed", 405, &detail);
        answer.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        answer
    };
    let allowed = web::route().guard(guard::Any(guard::Get()).or(guard::Head()));
    web::resource(path).route(allowed.to(handler)).default_service(web::to(other))
}

/// `HEALTH_ADDR`, where it is set.
///
/// # Errors
/// When it is no address.
pub fn address() -> Result<Option<SocketAddr>, SettingsError> {
    let address = settings::optional("HEALTH_ADDR").map(|text| text.parse());
    let expected = SettingsError::Invalid("HEALTH_ADDR", "an address like 0.0.0.0:9100");
    address.transpose().map_err(|_| expected)
}

/// Binds `HEALTH_ADDR` (default `127.0.0.1:0`, any free port) and answers the three endpoints there
/// until shutdown: what a process without an API of its own runs beside its work.
///
/// # Errors
/// When the address cannot be bound.
pub fn serve(process: Process) -> anyhow::Result<impl Future<Output = anyhow::Result<()>> + Send> {
    let any: SocketAddr = ([127, 0, 0, 1], 0).into();
    serve_at(address()?.unwrap_or(any), process)
}

/// As [`serve`], at this address: so a service with an API answers its probes on a listener that
/// no client's connections can fill.
///
/// # Errors
/// When the address cannot be bound.
pub fn serve_at(
    address: SocketAddr,
    process: Process,
) -> anyhow::Result<impl Future<Output = anyhow::Result<()>> + Send> {
    let data = web::Data::new(process.clone());
    let app = move || {
        let app = App::new().app_data(data.clone()).configure(configure);
        app.default_service(web::to(not_found))
    };
    let server = HttpServer::new(app).workers(1).disable_signals().bind(address);
    let server = server.with_context(|| format!("could not listen on {address}"))?;
    for bound in server.addrs() {
        tracing::info!(address = %bound, "health endpoints");
    }
    let server = server.run();
    Ok(async move {
        let handle = server.handle();
        let stop = async {
            process.shutdown.cancelled().await;
            handle.stop(false).await;
        };
        let (served, ()) = tokio::join!(server, stop);
        Ok(served?)
    })
}

async fn not_found(request: HttpRequest) -> HttpResponse {
    let detail = format!("there is nothing at {}", request.path());
    problem("no-such-resource", "No such resource", 404, &detail)
}

/// A problem, as the APIs answer with (RFC 9457), of the two kinds that there are here.
fn problem(kind: &str, title: &str, status: u16, detail: &str) -> HttpResponse {
    let kind = format!("urn:orderflow:problem:{kind}");
    let body = serde_json::json!({
        "type": kind, "title": title, "status": status, "retry": "never", "detail": detail,
    });
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut answer = HttpResponse::build(status);
    answer.content_type("application/problem+json").body(body.to_string())
}
