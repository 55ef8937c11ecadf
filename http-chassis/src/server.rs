//! HTTP from its first connection to its last. Decides nothing about requests.

use std::net::SocketAddr;
use std::time::Duration;

use actix_web::dev::{ServerHandle, Service};
use actix_web::http::header::LOCATION;
use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{App, HttpRequest, HttpResponse};
use chassis::{Process, probes};
use tokio::task::JoinHandle as Task;
use utoipa::openapi::OpenApi;
use utoipa_swagger_ui::{Config, SwaggerUi};

use crate::accept::{self, Wrapping};
use crate::connection::Limits;
use crate::open_files;
use crate::phase;
use crate::routes::Routes;
use crate::settings::HttpSettings;
use crate::unread;

/// How long a client may take to send the head of a request.
const HEAD: Duration = Duration::from_secs(5);
/// How long a client that is still sending a body nobody reads may take to see its answer: what
/// it sends meanwhile is thrown away. Hanging up at once would reset the connection, and the answer
/// with it (RFC 9112, section 9.6); actix's own second is short on a busy machine.
const LINGER: Duration = Duration::from_secs(5);
/// How long a connection is kept for a request, its first or its next: longer than the pools that
/// open connections ahead of need or keep them (NGINX and ALB 60 s, hyper and Go 90 s, Firefox
/// 115 s), for whoever closes first leaves the other with a request on a dead connection.
const IDLE: Duration = Duration::from_secs(120);
const LIMITS: Limits = Limits { idle: IDLE, head: HEAD, linger: LINGER };

/// An API that is served.
pub struct Serving {
    /// Where it listens.
    pub addresses: Vec<SocketAddr>,
    http: Task<std::io::Result<()>>,
    /// Of the probes' own listener, where there is one.
    health: Option<Task<anyhow::Result<()>>>,
    handle: ServerHandle,
    process: Process,
}

/// Serves what `configure` adds, with the health endpoints and the document beside it; the health
/// endpoints also at an address of their own, where the settings name one.
///
/// # Errors
/// When an address is taken.
pub fn listen(
    settings: &HttpSettings,
    process: &Process,
    routes: &'static Routes,
    document: fn() -> OpenApi,
    configure: impl Fn(&mut ServiceConfig) + Clone + Send + 'static,
) -> anyhow::Result<Serving> {
    let data = Data::new(process.clone());
    let app = move || {
        App::new()
            .wrap_fn(move |mut request, service| {
                let serving = phase::Serving::begin(&request);
                let unread = unread::share(&mut request);
                let answer = service.call(request);
                async move {
                    let answer = answer.await?;
                    drop(serving);
                    Ok(unread::hold(routes.settle(answer), unread))
                }
            })
            .app_data(data.clone())
            .configure(probes::configure)
            .configure(&configure)
            .configure(|config| configure_docs(config, document()))
            .default_service(web::to(|request: HttpRequest| routes.not_found(request)))
    };
    let refused_at_once = settings.workers.saturating_mul(accept::REFUSED_AT_ONCE);
    open_files::allow(settings.connections_max.saturating_add(refused_at_once) as u64);
    let (address, server) = accept::serve(settings, Wrapping { routes, limits: LIMITS }, app)?;
    tracing::info!(%address, "listening");
    let health = settings.health_address.map(|address| probes::serve_at(address, process.clone()));
    let health = health.transpose()?.map(tokio::spawn);
    let handle = server.handle();
    let (http, process) = (tokio::spawn(server), process.clone());
    Ok(Serving { addresses: vec![address], http, health, handle, process })
}

fn configure_docs(config: &mut ServiceConfig, document: OpenApi) {
    let docs =
        || async { HttpResponse::PermanentRedirect().insert_header((LOCATION, "/docs/")).finish() };
    // Else the browser of whoever reads the page would send it to a validator on the internet.
    let page = SwaggerUi::new("/docs/{_:.*}").config(Config::default().validator_url("none"));
    config.route("/docs", web::get().to(docs)).service(page.url("/openapi.json", document));
}

impl Serving {
    /// Serves until shutdown.
    ///
    /// # Errors
    /// When HTTP, or the listener of the probes, ends by itself.
    pub async fn until_shutdown(&mut self) -> anyhow::Result<()> {
        let probes = async {
            match &mut self.health {
                Some(task) => task.await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = self.process.shutdown.cancelled() => Ok(()),
            ended = &mut self.http => {
                ended??;
                anyhow::bail!("the HTTP server ended by itself")
            }
            ended = probes => {
                ended??;
                anyhow::bail!("the listener of the probes ended by itself")
            }
        }
    }

    /// Takes no more connections, and answers every request that is under way.
    ///
    /// # Errors
    /// When HTTP ended with one.
    pub async fn stop(self) -> anyhow::Result<()> {
        self.handle.stop(true).await;
        Ok(self.http.await??)
    }
}

#[cfg(test)]
mod tests {
    use chassis::health::Health;
    use metrics_exporter_prometheus::PrometheusBuilder;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;
    use tokio::time::timeout;
    use tokio_util::sync::CancellationToken;

    use super::*;

    static ROUTES: Routes = Routes::new(&[], &[404]);
    /// A busy machine needs less for anything here.
    const WITHIN: Duration = Duration::from_secs(20);

    fn process() -> Process {
        Process {
            name: "an-api",
            shutdown: CancellationToken::new(),
            health: Health::default(),
            metrics: PrometheusBuilder::new().build_recorder().handle(),
        }
    }

    fn settings() -> HttpSettings {
        HttpSettings {
            address: ([127, 0, 0, 1], 0).into(),
            health_address: None,
            workers: 1,
            connections_max: 2,
            shutdown: Duration::from_secs(5),
        }
    }

    fn serve(settings: &HttpSettings, process: &Process) -> Serving {
        let echo = |body: web::Bytes| async { body };
        let configure = move |config: &mut ServiceConfig| {
            config.route("/echo", web::post().to(echo));
        };
        listen(settings, process, &ROUTES, OpenApi::default, configure).unwrap()
    }

    async fn get(url: String) -> reqwest::Result<reqwest::Response> {
        reqwest::Client::builder().no_proxy().build()?.get(url).send().await
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn probes_are_answered_while_clients_hold_every_connection() {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let settings = HttpSettings { health_address: Some(free), ..settings() };
        let serving = serve(&settings, &process());
        let connect = || TcpStream::connect(serving.addresses[0]);
        let _clients = [connect().await.unwrap(), connect().await.unwrap()];
        for path in ["livez", "readyz", "metrics"] {
            let answer = get(format!("http://{free}/{path}")).await.unwrap();
            assert_eq!(answer.status(), 200, "{path}");
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_connection_too_many_is_told_so_and_closed_and_the_next_one_has_its_place() {
        let serving = serve(&settings(), &process());
        let connect = || TcpStream::connect(serving.addresses[0]);
        let mut clients = [connect().await.unwrap(), connect().await.unwrap()];
        // Answered, so that both have their place.
        let request = b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx";
        for client in &mut clients {
            client.write_all(request).await.unwrap();
            assert_eq!(timeout(WITHIN, client.read_u8()).await.unwrap().unwrap(), b'H');
        }
        let mut refused = connect().await.unwrap();
        refused.write_all(request).await.unwrap();
        let mut answer = String::new();
        timeout(WITHIN, refused.read_to_string(&mut answer)).await.unwrap().unwrap();
        assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
        for part in ["\r\nconnection: close\r\n", "\r\nretry-after: 1\r\n", "too-many-connections"]
        {
            assert!(answer.contains(part), "{part:?} is missing: {answer}");
        }
        drop(clients);
        waiting::eventually("there is a place", async || {
            get(format!("http://{}/livez", serving.addresses[0])).await.unwrap().status() == 200
        })
        .await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_body_that_never_ends_does_not_hold_its_connection() {
        let serving = serve(&HttpSettings { connections_max: 100, ..settings() }, &process());
        let hung_up = ["GET /livez", "POST /livez", "POST /nowhere", "POST /openapi.json"].map(
            async |request| {
                let mut client = TcpStream::connect(serving.addresses[0]).await.unwrap();
                let head = "HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
                client.write_all(format!("{request} {head}1\r\nx\r\n").as_bytes()).await.unwrap();
                let mut answer = String::new();
                let closed = timeout(WITHIN, client.read_to_string(&mut answer)).await;
                assert!(closed.is_ok(), "{request}: the connection stays open after {answer:?}");
                assert!(answer.starts_with("HTTP/1.1 "), "{request}: {answer:?}");
            },
        );
        futures::future::join_all(hung_up).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_connection_is_kept_after_a_body_that_was_read_to_its_end() {
        let serving = serve(&HttpSettings { connections_max: 100, ..settings() }, &process());
        let mut client = TcpStream::connect(serving.addresses[0]).await.unwrap();
        let chunked = "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n\
            1\r\nx\r\n0\r\n\r\n";
        for _ in 0..3 {
            client.write_all(chunked.as_bytes()).await.unwrap();
            let mut answer = vec![0; 1024];
            let length = timeout(WITHIN, client.read(&mut answer)).await.unwrap().unwrap();
            let answer = String::from_utf8_lossy(&answer[..length]);
            assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("\r\nx"), "{answer:?}");
        }
    }

    /// How Linux lists the connection of a client to the server: with `02` where it will be asked
    /// whether it is there (Documentation/networking/proc_net_tcp.rst).
    fn timer_of(server: SocketAddr, client: SocketAddr) -> Option<String> {
        let connections = std::fs::read_to_string("/proc/net/tcp").unwrap();
        let [server, client] = [server, client].map(|address| format!(":{:04X}", address.port()));
        let mut fields = connections.lines().map(|line| line.split_whitespace().skip(1));
        fields.find_map(|mut fields| {
            let is_it = fields.next()?.ends_with(&server) && fields.next()?.ends_with(&client);
            let timer = fields.nth(2)?;
            is_it.then(|| timer.split(':').next().unwrap().to_owned())
        })
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_client_that_says_nothing_is_asked_whether_it_is_there() {
        let serving = serve(&settings(), &process());
        let mut client = TcpStream::connect(serving.addresses[0]).await.unwrap();
        client.write_all(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        timeout(WITHIN, client.read_u8()).await.unwrap().unwrap();
        let timer = timer_of(serving.addresses[0], client.local_addr().unwrap());
        assert_eq!(timer.as_deref(), Some("02"));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn an_api_shows_its_document_until_it_is_stopped() {
        let process = process();
        let mut serving = serve(&settings(), &process);
        let url = format!("http://{}", serving.addresses[0]);
        let page = get(format!("{url}/docs")).await.unwrap();
        assert_eq!((page.status().as_u16(), page.url().path()), (200, "/docs/"));
        let document = get(format!("{url}/openapi.json")).await.unwrap();
        assert!(document.text().await.unwrap().contains("\"openapi\""));
        process.shutdown.cancel();
        serving.until_shutdown().await.unwrap();
        serving.stop().await.unwrap();
        assert!(get(url).await.is_err());
    }
}
