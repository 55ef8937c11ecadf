//! Liveness, readiness and metrics over HTTP. Decides nothing: the parts of a process report here.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use actix_web::web::{self, ServiceConfig};
use actix_web::{
    App, Handler, HttpRequest, HttpResponse, HttpServer, Resource, Responder, ResponseError, guard,
};
use anyhow::Context;
use serde::Serialize;

use crate::process::Process;
use crate::settings::SettingsError;
use crate::{problem, settings};

/// What the parts of a process say of themselves. Clones share it.
#[derive(Clone, Default)]
pub struct Health {
    parts: Arc<Mutex<Parts>>,
}

#[derive(Default)]
struct Parts {
    dependencies: BTreeMap<String, Option<String>>,
    /// Of whoever still lives: who dropped his heartbeat is not late.
    pulses: Vec<Weak<Pulse>>,
    remarks: BTreeMap<String, String>,
}

/// A dependency or a named state that readiness hangs on. Down until it is first reported up.
#[derive(Clone)]
pub struct Dependency {
    name: String,
    health: Health,
}

/// Something that must happen again and again for the process to be alive, until it is dropped.
pub struct Heartbeat(Arc<Pulse>);

/// Beats come once a record and more often, so they take no lock.
struct Pulse {
    name: String,
    within: Duration,
    begun: Instant,
    /// Milliseconds after `begun`.
    last: AtomicU64,
}

impl Health {
    /// A dependency under this name, down ("starting") until it is reported up.
    pub fn dependency(&self, name: impl Into<String>) -> Dependency {
        let dependency = Dependency { name: name.into(), health: self.clone() };
        dependency.down(STARTING);
        dependency
    }

    /// A heartbeat that must be repeated within `within`, for as long as it is kept; it beats once now.
    pub fn heartbeat(&self, name: impl Into<String>, within: Duration) -> Heartbeat {
        let (name, begun, last) = (name.into(), Instant::now(), AtomicU64::new(0));
        let pulse = Arc::new(Pulse { name, within, begun, last });
        self.with(|parts| {
            parts.pulses.retain(|pulse| pulse.strong_count() > 0);
            parts.pulses.push(Arc::downgrade(&pulse));
        });
        Heartbeat(pulse)
    }

    /// What whoever asks for readiness is told, though it keeps nobody from being ready; `None`
    /// takes it back.
    pub fn remark(&self, name: &str, remark: Option<&str>) {
        self.with(|parts| match remark {
            Some(remark) => parts.remarks.insert(name.to_owned(), remark.to_owned()),
            None => parts.remarks.remove(name),
        });
    }

    /// The remarks as they are now.
    pub fn remarks(&self) -> BTreeMap<String, String> {
        self.with(|parts| parts.remarks.clone())
    }

    /// The reasons why the process is not ready, by dependency; empty when it is.
    pub fn not_ready(&self) -> BTreeMap<String, String> {
        let dependencies = self.with(|parts| parts.dependencies.clone());
        dependencies.into_iter().filter_map(|(name, why)| why.map(|why| (name, why))).collect()
    }

    /// The heartbeats that are overdue; empty when the process is alive.
    pub fn overdue(&self) -> Vec<String> {
        let pulses: Vec<_> =
            self.with(|parts| parts.pulses.iter().filter_map(Weak::upgrade).collect());
        let late = pulses.iter().filter(|pulse| pulse.silent_for() > pulse.within);
        late.map(|pulse| pulse.name.clone()).collect()
    }

    fn with<T>(&self, f: impl FnOnce(&mut Parts) -> T) -> T {
        f(&mut self.parts.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Dependency {
    /// It works.
    pub fn up(&self) {
        self.set(None);
    }

    /// It does not, for this reason. The reason is shown to whoever asks: no secrets.
    pub fn down(&self, reason: impl Into<String>) {
        self.set(Some(reason.into()));
    }

    /// It is gone for good, such as a partition that another worker took.
    pub fn forget(&self) {
        self.health.with(|parts| parts.dependencies.remove(&self.name));
    }

    fn set(&self, reason: Option<String>) {
        let before =
            self.health.with(|parts| parts.dependencies.insert(self.name.clone(), reason.clone()));
        match reason {
            _ if !is_news(before.as_ref(), reason.as_deref()) => {}
            Some(reason) => tracing::warn!(dependency = self.name, reason, "dependency down"),
            None => tracing::info!(dependency = self.name, "dependency up"),
        }
    }
}

/// What a dependency is called that has not been reported yet.
const STARTING: &str = "starting";

/// Whether the log must say it: that it works or does not, and what is in its way from the start.
fn is_news(before: Option<&Option<String>>, now: Option<&str>) -> bool {
    match (before.map(Option::as_deref), now) {
        (_, Some(STARTING)) => false,
        (Some(Some(reason)), Some(_)) => reason == STARTING,
        (Some(None), None) => false,
        _ => true,
    }
}

impl Heartbeat {
    /// Progress was made now.
    pub fn beat(&self) {
        let since = self.0.begun.elapsed().as_millis();
        self.0.last.store(u64::try_from(since).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

impl Pulse {
    fn silent_for(&self) -> Duration {
        let last = Duration::from_millis(self.last.load(Ordering::Relaxed));
        self.begun.elapsed().saturating_sub(last)
    }
}

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
    let dependencies = process.health.with(|parts| parts.dependencies.clone());
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
        problem::method_not_allowed(request.method().as_str(), "GET, HEAD").error_response()
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
        app.default_service(web::to(problem::not_found))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_down_from_the_start_is_said_once() {
        let down = |reason: &str| Some(reason.to_owned());
        assert!(!is_news(None, Some(STARTING)));
        assert!(is_news(Some(&down(STARTING)), Some("no broker answers")));
        assert!(!is_news(Some(&down("no broker answers")), Some("no broker answers")));
        assert!(is_news(Some(&down("no broker answers")), None));
        assert!(!is_news(Some(&None), None));
        assert!(is_news(Some(&None), Some("no broker answers")));
    }

    #[test]
    fn a_heartbeat_is_overdue_until_it_beats_again() {
        let health = Health::default();
        let heartbeat = health.heartbeat("worker 0", Duration::from_millis(20));
        let _idle = health.heartbeat("publisher", Duration::from_secs(60));
        assert!(health.overdue().is_empty());
        while heartbeat.0.silent_for() <= heartbeat.0.within {
            std::thread::yield_now();
        }
        assert_eq!(health.overdue(), ["worker 0"]);
        heartbeat.beat();
        assert!(health.overdue().is_empty());
    }

    #[test]
    fn a_heartbeat_ends_with_its_owner() {
        let health = Health::default();
        let first = health.heartbeat("worker 0", Duration::ZERO);
        while first.0.silent_for().is_zero() {}
        assert_eq!(health.overdue(), ["worker 0"]);
        drop(first);
        assert!(health.overdue().is_empty());
    }
}
