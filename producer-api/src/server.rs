//! The process's parts put together, and taken apart again at the end. Decides nothing about
//! requests.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use actix_web::http::header::LOCATION;
use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{App, HttpResponse, HttpServer};
use anyhow::Context;
use chassis::{Process, health};
use events_schema::registry::Registry;
use tokio::task::JoinHandle as Task;
use utoipa_swagger_ui::SwaggerUi;

use crate::catalogue::{Catalogue, follow};
use crate::openapi;
use crate::publisher::Publisher;
use crate::routes::{self, Api};
use crate::schemas::Schemas;
use crate::settings::{HttpSettings, Settings};

/// How long a client may take to send the head of a request.
const HEAD: Duration = Duration::from_secs(5);
/// How long a connection is kept for the next request.
const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// What is left of the time to stop for the flush, however long the requests took.
const FLUSH_AT_LEAST: Duration = Duration::from_secs(1);

/// A running service.
pub struct Server {
    /// Where it listens.
    pub addresses: Vec<SocketAddr>,
    http: Task<std::io::Result<()>>,
    handle: actix_web::dev::ServerHandle,
    catalogue: JoinHandle<()>,
    publisher: Arc<Publisher>,
    process: Process,
    shutdown: Duration,
}

impl Server {
    /// Starts everything; requests are taken from now on, and refused until what they need is
    /// known.
    ///
    /// # Errors
    /// When the address is taken or a setting is refused.
    pub fn start(process: Process, settings: Settings) -> anyhow::Result<Self> {
        let Settings { kafka, schemas, http, publish } = settings;
        let registry = Arc::new(Registry::new(&schemas.registry_url, &schemas.cache_dir)?);
        let dependency = process.health.dependency("kafka");
        let publisher = Publisher::new(&kafka, &publish, dependency);
        let publisher = Arc::new(publisher.context("could not set up the producer")?);
        let api = Api {
            publisher: Arc::clone(&publisher),
            catalogue: Catalogue::default(),
            schemas: Schemas::default(),
        };
        let server = listen(&http, &process, &api)?;
        tokio::spawn(api.schemas.clone().learn(Arc::clone(&registry), process.clone()));
        let keeper = Arc::clone(&publisher);
        tokio::spawn(async move { keeper.keep_alive().await });
        let catalogue = follow::start(&kafka, registry, api.catalogue, &process)?;
        let (addresses, server) = server;
        let handle = server.handle();
        let http_task = tokio::spawn(server);
        let shutdown = http.shutdown;
        Ok(Self { addresses, http: http_task, handle, catalogue, publisher, process, shutdown })
    }

    /// Serves until shutdown; then takes no more connections, answers every request that is under
    /// way, and waits for every record's delivery report.
    ///
    /// # Errors
    /// When HTTP ends by itself, or records are left undelivered.
    pub async fn finish(mut self) -> anyhow::Result<()> {
        tokio::select! {
            ended = &mut self.http => {
                ended??;
                anyhow::bail!("the HTTP server ended by itself");
            }
            () = self.process.shutdown.cancelled() => {}
        }
        let started = Instant::now();
        self.handle.stop(true).await;
        self.http.await??;
        let rest = self.shutdown.saturating_sub(started.elapsed()).max(FLUSH_AT_LEAST);
        let closed = self.publisher.close(rest).await;
        let catalogue = self.catalogue;
        let _ = tokio::task::spawn_blocking(move || catalogue.join()).await;
        match closed {
            Ok(()) => Ok(()),
            Err(left) => anyhow::bail!("{left} records were left without a delivery report"),
        }
    }
}

fn listen(
    settings: &HttpSettings,
    process: &Process,
    api: &Api,
) -> anyhow::Result<(Vec<SocketAddr>, actix_web::dev::Server)> {
    let (process, api) = (Data::new(process.clone()), Data::new(api.clone()));
    let app = move || {
        let app = App::new().app_data(process.clone()).app_data(api.clone());
        app.configure(configure).default_service(web::to(routes::not_found))
    };
    let address = settings.address;
    let server = HttpServer::new(app)
        .workers(settings.workers)
        .max_connections(settings.connections_max)
        .client_request_timeout(HEAD)
        .keep_alive(KEEP_ALIVE)
        .shutdown_timeout(settings.shutdown.as_secs())
        .disable_signals()
        .bind(address)
        .with_context(|| format!("could not listen on {address}"))?;
    let addresses = server.addrs();
    for address in &addresses {
        tracing::info!(%address, "listening");
    }
    Ok((addresses, server.run()))
}

fn configure(config: &mut ServiceConfig) {
    let docs =
        || async { HttpResponse::PermanentRedirect().insert_header((LOCATION, "/docs/")).finish() };
    config
        .configure(health::configure)
        .configure(routes::configure)
        .route("/docs", web::get().to(docs))
        .service(SwaggerUi::new("/docs/{_:.*}").url("/openapi.json", openapi::document()));
}
