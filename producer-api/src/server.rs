//! The process's parts put together, and taken apart again at the end. Decides nothing about
//! requests.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use actix_web::http::header::LOCATION;
use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{App, HttpResponse, HttpServer};
use anyhow::{Context, anyhow};
use chassis::{Process, health};
use events_schema::registry::Registry;
use secrecy::ExposeSecret;
use tokio::task::{JoinError, JoinHandle as Task};
use utoipa_swagger_ui::{Config, SwaggerUi};

use crate::body::Room;
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
        let registry = Registry::new(schemas.registry_url.expose_secret(), &schemas.cache_dir)?;
        let registry = Arc::new(registry);
        let dependency = process.health.dependency("kafka");
        let publisher = Publisher::new(&kafka, &publish, dependency);
        let publisher = Arc::new(publisher.context("could not set up the producer")?);
        let api = Api {
            publisher: Arc::clone(&publisher),
            catalogue: Catalogue::default(),
            schemas: Schemas::default(),
            room: Room::of(http.body_bytes_max),
            query_api_url: http.query_api_url.clone().unwrap_or_default().into(),
        };
        let server = listen(&http, &process, &api)?;
        if let Some(address) = http.health_address {
            tokio::spawn(health::serve_at(address, process.clone())?);
        }
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
        let ended = tokio::select! {
            ended = &mut self.http => Some(ended),
            () = self.process.shutdown.cancelled() => None,
        };
        let started = Instant::now();
        let served = match ended {
            Some(ended) => served(ended).and(Err(anyhow!("the HTTP server ended by itself"))),
            None => {
                self.handle.stop(true).await;
                served(self.http.await)
            }
        };
        // However HTTP ended, what was handed over is delivered first.
        let rest = self.shutdown.saturating_sub(started.elapsed()).max(FLUSH_AT_LEAST);
        let closed = self.publisher.close(rest).await;
        self.process.shutdown.cancel();
        let catalogue = self.catalogue;
        let _ = tokio::task::spawn_blocking(move || catalogue.join()).await;
        if let (Err(_), Err(error)) = (&served, &closed) {
            tracing::error!(error = format!("{error:#}"), "the flush failed, too");
        }
        served.and(closed)
    }
}

fn served(ended: Result<std::io::Result<()>, JoinError>) -> anyhow::Result<()> {
    Ok(ended??)
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
        .service(
            SwaggerUi::new("/docs/{_:.*}")
                .url("/openapi.json", openapi::document())
                // The page would send the document's address to validator.swagger.io otherwise.
                .config(Config::default().validator_url("none")),
        );
}
