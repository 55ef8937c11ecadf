//! The process's parts put together, and taken apart again at the end. Decides nothing about
//! requests.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use actix_web::web::{Data, ServiceConfig};
use anyhow::{Context, anyhow};
use chassis::Process;
use http_chassis::{Queue, Serving, listen};
use schema_registry::Registry;
use secrecy::ExposeSecret;

use crate::body::Room;
use crate::catalogue::{Catalogue, follow};
use crate::openapi;
use crate::publisher::Publisher;
use crate::routes::{self, Api, ROUTES};
use crate::schemas::Schemas;
use crate::settings::Settings;

/// What is left of the time to stop for the flush, however long the requests took.
const FLUSH_AT_LEAST: Duration = Duration::from_secs(1);

/// A running service.
pub struct Server {
    http: Serving,
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
    /// When an address is taken or a setting is refused.
    pub fn start(process: Process, settings: Settings) -> anyhow::Result<Self> {
        let Settings {
            kafka,
            schemas,
            http,
            publish,
            body_bytes_max,
            queue_delay_max,
            query_api_url,
        } = settings;
        let registry = Registry::new(schemas.registry_url.expose_secret(), &schemas.cache_dir)?;
        let registry = Arc::new(registry);
        let dependency = process.health.dependency("kafka");
        let publisher = Publisher::new(&kafka, &publish, dependency);
        let publisher = Arc::new(publisher.context("could not set up the producer")?);
        let api = Api {
            publisher: Arc::clone(&publisher),
            catalogue: Catalogue::default(),
            schemas: Schemas::default(),
            room: Room::of(body_bytes_max, Queue::new(queue_delay_max)),
            query_api_url: query_api_url.unwrap_or_default().into(),
        };
        let data = Data::new(api.clone());
        let configure = move |config: &mut ServiceConfig| {
            config.app_data(data.clone()).configure(routes::configure);
        };
        let shutdown = http.shutdown;
        let http = listen(&http, &process, &ROUTES, openapi::document, configure)?;
        tokio::spawn(api.schemas.clone().learn(Arc::clone(&registry), process.clone()));
        let catalogue = follow::start(&kafka, registry, api.catalogue, &process)?;
        Ok(Self { http, catalogue, publisher, process, shutdown })
    }

    /// Where it listens.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.http.addresses
    }

    /// Serves until shutdown; then takes no more connections, answers every request that is under
    /// way, and waits for every record's delivery report.
    ///
    /// # Errors
    /// When HTTP or the thread that publishes ends by itself, or records are left undelivered.
    pub async fn finish(mut self) -> anyhow::Result<()> {
        let (started, served) = tokio::select! {
            biased;
            ended = self.http.until_shutdown() => match ended {
                Ok(()) => (Instant::now(), self.http.stop().await),
                Err(error) => (Instant::now(), Err(error)),
            },
            // Nothing could be taken any more, for ever: whoever restarts processes restarts this one.
            () = self.publisher.ended() => {
                let (started, stopped) = (Instant::now(), self.http.stop().await);
                (started, stopped.and(Err(anyhow!("the thread that publishes has ended"))))
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
