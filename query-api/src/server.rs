//! The process's parts put together, and taken apart again at the end. Decides nothing about
//! requests.

use std::net::SocketAddr;

use actix_web::web::{Data, ServiceConfig};
use chassis::Process;
use http_chassis::{Serving, listen};
use tokio::task::JoinHandle as Task;

use crate::database::Database;
use crate::openapi;
use crate::progress::Progress;
use crate::routes::{self, Api, ROUTES};
use crate::settings::Settings;

/// A running service.
pub struct Server {
    http: Serving,
    watchers: [Task<()>; 2],
    database: Database,
}

impl Server {
    /// Starts everything; requests are taken from now on, and refused while the database is away.
    ///
    /// # Errors
    /// When an address is taken.
    pub fn start(process: Process, settings: Settings) -> anyhow::Result<Self> {
        let database = Database::new(&settings.pool, settings.query_timeout);
        let shutdown = process.shutdown.clone();
        let waiters_max = settings.waiters_max;
        let progress =
            Progress::new(database.clone(), &settings.topic_prefix, waiters_max, shutdown);
        let api = Api { database: database.clone(), progress: progress.clone() };
        let data = Data::new(api);
        let configure = move |config: &mut ServiceConfig| {
            config.app_data(data.clone()).configure(routes::configure);
        };
        let http = listen(&settings.http, &process, &ROUTES, openapi::document, configure)?;
        let dependency = process.health.dependency("postgres");
        let watchers =
            [tokio::spawn(database.clone().watch(dependency)), tokio::spawn(progress.watch())];
        Ok(Self { http, watchers, database })
    }

    /// Where it listens.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.http.addresses
    }

    /// Serves until shutdown; then takes no more connections and answers every request that is
    /// under way: those that wait are told how far it is.
    ///
    /// # Errors
    /// When HTTP ends by itself.
    pub async fn finish(mut self) -> anyhow::Result<()> {
        self.http.until_shutdown().await?;
        self.http.stop().await?;
        self.watchers.iter().for_each(Task::abort);
        self.database.close().await;
        Ok(())
    }
}
