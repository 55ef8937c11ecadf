//! The process's parts put together, and taken apart again at the end. Decides nothing about
//! requests.

use std::net::SocketAddr;
use std::time::Duration;

use actix_web::http::header::LOCATION;
use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{App, HttpResponse, HttpServer};
use anyhow::Context;
use chassis::{Process, health};
use tokio::task::JoinHandle as Task;
use utoipa_swagger_ui::{Config, SwaggerUi};

use crate::database::Database;
use crate::openapi;
use crate::progress::Progress;
use crate::routes::{self, Api};
use crate::settings::{HttpSettings, Settings};

/// How long a client may take to send the head of a request.
const HEAD: Duration = Duration::from_secs(5);
/// How long a connection is kept for the next request.
const KEEP_ALIVE: Duration = Duration::from_secs(75);

/// A running service.
pub struct Server {
    /// Where it listens.
    pub addresses: Vec<SocketAddr>,
    http: Task<std::io::Result<()>>,
    handle: actix_web::dev::ServerHandle,
    watchers: [Task<()>; 2],
    database: Database,
    process: Process,
}

impl Server {
    /// Starts everything; requests are taken from now on, and refused while the database is away.
    ///
    /// # Errors
    /// When the address is taken.
    pub fn start(process: Process, settings: Settings) -> anyhow::Result<Self> {
        let database = Database::new(&settings.pool, settings.query_timeout);
        let shutdown = process.shutdown.clone();
        let waiters_max = settings.http.waiters_max;
        let progress =
            Progress::new(database.clone(), &settings.topic_prefix, waiters_max, shutdown);
        let api = Api { database: database.clone(), progress: progress.clone() };
        let (addresses, server) = listen(&settings.http, &process, &api)?;
        let dependency = process.health.dependency("postgres");
        let watchers =
            [tokio::spawn(database.clone().watch(dependency)), tokio::spawn(progress.watch())];
        let handle = server.handle();
        let http = tokio::spawn(server);
        Ok(Self { addresses, http, handle, watchers, database, process })
    }

    /// Serves until shutdown; then takes no more connections and answers every request that is
    /// under way: those that wait are told how far it is.
    ///
    /// # Errors
    /// When HTTP ends by itself.
    pub async fn finish(mut self) -> anyhow::Result<()> {
        tokio::select! {
            ended = &mut self.http => {
                ended??;
                anyhow::bail!("the HTTP server ended by itself");
            }
            () = self.process.shutdown.cancelled() => {}
        }
        self.handle.stop(true).await;
        self.http.await??;
        self.watchers.iter().for_each(Task::abort);
        self.database.close().await;
        Ok(())
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
    // Else the browser of whoever reads the page would send it to a validator on the internet.
    let page = SwaggerUi::new("/docs/{_:.*}").config(Config::default().validator_url("none"));
    config
        .configure(health::configure)
        .configure(routes::configure)
        .route("/docs", web::get().to(docs))
        .service(page.url("/openapi.json", openapi::document()));
}
