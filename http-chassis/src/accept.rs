//! Takes connections, as actix-web's `HttpServer` does, but wraps each in one of ours before actix
//! reads from it. Decides nothing about requests.

use std::fmt::Debug;
use std::net::SocketAddr;
use std::sync::Arc;

use actix_http::{HttpService, KeepAlive, Protocol, Request, Response};
use actix_server::Server;
use actix_service::{
    IntoServiceFactory, Service, ServiceFactory, ServiceFactoryExt, fn_service, map_config,
};
use actix_web::Error;
use actix_web::body::MessageBody;
use actix_web::dev::AppConfig;
use actix_web::rt::net::TcpStream;
use anyhow::Context;
use tokio::net::TcpSocket;
use tokio::sync::Semaphore;

use crate::connection::{Connection, Limits};
use crate::peers;
use crate::routes::Routes;
use crate::settings::HttpSettings;

/// Connections that may wait to be taken.
const BACKLOG: u32 = 1024;
/// Connections beyond those of the settings that a worker may be telling so; further ones wait.
pub(crate) const REFUSED_AT_ONCE: usize = 256;

/// What every connection of a server is wrapped with.
#[derive(Clone, Copy)]
pub(crate) struct Wrapping {
    pub(crate) routes: &'static Routes,
    pub(crate) limits: Limits,
}

/// Serves an application at the address of the settings.
pub(crate) fn serve<F, I, S, B>(
    settings: &HttpSettings,
    wrapping: Wrapping,
    app: F,
) -> anyhow::Result<(SocketAddr, Server)>
where
    F: Fn() -> I + Clone + Send + 'static,
    I: IntoServiceFactory<S, Request>,
    S: ServiceFactory<Request, Config = AppConfig> + 'static,
    S::Error: Into<Error> + 'static,
    S::InitError: Debug,
    S::Response: Into<Response<B>> + 'static,
    <S::Service as Service<Request>>::Future: 'static,
    S::Service: 'static,
    B: MessageBody + 'static,
{
    let address = settings.address;
    let listener = bind(address).with_context(|| format!("could not listen on {address}"))?;
    let bound = listener.local_addr()?;
    let builder = Server::build()
        .workers(settings.workers)
        .backlog(BACKLOG)
        // Per worker, and no worker takes more than all may.
        .max_concurrent_connections(settings.connections_max.saturating_add(REFUSED_AT_ONCE))
        .shutdown_timeout(settings.shutdown.as_secs())
        .disable_signals();
    let stopping = builder.graceful_shutdown_signal();
    let places = settings.connections_max.min(Semaphore::MAX_PERMITS);
    let places = Arc::new(Semaphore::new(places));
    let service = move || {
        let (stopping, places) = (stopping.clone(), Arc::clone(&places));
        let app = app().into_factory().map_err(|error| error.into().error_response());
        let http = HttpService::build()
            .graceful_shutdown_signal(move || {
                let stopping = stopping.clone();
                async move { stopping.notified().await }
            })
            // The connection has the limits, and its words for them.
            .keep_alive(KeepAlive::Os)
            .client_request_timeout(std::time::Duration::ZERO)
            .client_disconnect_timeout(wrapping.limits.linger)
            .local_addr(bound)
            .on_connect_ext(|connection: &Connection, data| {
                data.insert(connection.watch());
            })
            .finish(map_config(app, |()| AppConfig::default()));
        fn_service(move |stream: TcpStream| {
            let place = Arc::clone(&places).try_acquire_owned().ok();
            async move {
                let peer = stream.peer_addr().ok();
                peers::bound(&stream);
                let connection = Connection::new(stream, wrapping.routes, wrapping.limits, place);
                Ok((connection, Protocol::Http1, peer))
            }
        })
        .and_then(http)
    };
    let builder = builder.listen("http", listener, service)?;
    Ok((bound, builder.run()))
}

fn bind(address: SocketAddr) -> std::io::Result<std::net::TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)?.into_std()
}

#[cfg(test)]
mod tests;
