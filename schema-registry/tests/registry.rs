//! The client of the registry against a real server that answers by a script. Does not test a
//! registry.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use events_schema::EventType;
use schema_registry::{Registry, RegistryError};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

const PLACED: &str = "POST /subjects/orders-orderflow.OrderPlaced";
const VERSIONS: &str = "GET /subjects/products-orderflow.ProductUpserted";

/// What the server answers, by method and path; everything else is 404. Counts the questions.
#[derive(Default)]
struct Script {
    answers: HashMap<String, (u16, String)>,
    asked: usize,
    /// After an answer a connection stays open, and nothing more is read from it.
    falls_silent: bool,
    logins: Vec<Option<String>>,
}

struct Server {
    url: String,
    script: Arc<Mutex<Script>>,
    task: JoinHandle<()>,
}

impl Server {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let script = Arc::<Mutex<Script>>::default();
        let task = tokio::spawn(serve(listener, script.clone()));
        Self { url, script, task }
    }

    fn answer(&self, question: &str, status: u16, body: &str) {
        let answer = (status, body.to_owned());
        self.script.lock().unwrap().answers.insert(question.to_owned(), answer);
    }

    /// It is ours: it knows one of our subjects.
    fn know_ours(&self) {
        self.answer(&format!("{VERSIONS}/versions"), 200, "[1]");
    }

    fn asked(&self) -> usize {
        self.script.lock().unwrap().asked
    }

    /// From here on its port refuses connections.
    async fn stop(self) {
        self.task.abort();
        let _ = self.task.await;
    }
}

async fn serve(listener: TcpListener, script: Arc<Mutex<Script>>) {
    let mut silent = vec![];
    while let Ok((mut stream, _)) = listener.accept().await {
        let _ = answer(&mut stream, &script).await;
        if script.lock().unwrap().falls_silent {
            silent.push(stream);
        }
    }
}

async fn answer(stream: &mut TcpStream, script: &Mutex<Script>) -> std::io::Result<()> {
    let request = read(stream).await?;
    let question = request.split(" HTTP/").next().unwrap_or_default();
    let question = question.split('?').next().unwrap_or_default();
    let (status, body, connection) = {
        let mut script = script.lock().unwrap();
        script.asked += 1;
        let login = request.lines().find_map(|line| line.strip_prefix("authorization: "));
        script.logins.push(login.map(str::to_owned));
        let unknown = || (404, r#"{"error_code":40401,"message":"not found"}"#.to_owned());
        let (status, body) = script.answers.get(question).cloned().unwrap_or_else(unknown);
        (status, body, if script.falls_silent { "keep-alive" } else { "close" })
    };
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status} Scripted\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\nConnection: {connection}\r\n\r\n"
    );
    stream.write_all((head + &body).as_bytes()).await
}

/// The whole request: a client that cannot send the rest would not read the answer.
async fn read(stream: &mut TcpStream) -> std::io::Result<String> {
    let mut bytes = vec![];
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.to_lowercase();
            let length = length.lines().find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
                return Ok(text);
            }
        }
        if stream.read_buf(&mut bytes).await? == 0 {
            return Ok(text);
        }
    }
}

fn schema_answer(event_type: EventType) -> String {
    serde_json::json!({ "schema": event_type.schema() }).to_string()
}

fn files(folder: &TempDir) -> Vec<std::path::PathBuf> {
    let registries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    registries
        .flat_map(|path| std::fs::read_dir(path).unwrap())
        .map(|e| e.unwrap().path())
        .collect()
}

#[tokio::test]
async fn a_service_starts_while_the_registry_is_away() {
    let (server, folder) = (Server::start().await, TempDir::new().unwrap());
    server.answer(PLACED, 200, r#"{"id": 7, "version": 1}"#);
    let url = server.url.clone();
    let registry = Registry::new(&url, folder.path()).unwrap();
    assert_eq!(registry.schema_id(EventType::OrderPlaced).await.unwrap(), 7);
    server.stop().await;
    let restarted = Registry::new(&url, folder.path()).unwrap();
    assert_eq!(restarted.schema_id(EventType::OrderPlaced).await.unwrap(), 7);
    assert_eq!(restarted.schema(7).await.unwrap(), EventType::OrderPlaced.schema());
}

#[tokio::test]
async fn a_schema_never_learnt_is_unavailable_while_the_registry_is_away() {
    let (server, folder) = (Server::start().await, TempDir::new().unwrap());
    let registry = Registry::new(&server.url, folder.path()).unwrap();
    server.stop().await;
    let error = registry.schema_id(EventType::OrderPlaced).await.unwrap_err();
    assert!(matches!(error, RegistryError::Unavailable { .. }), "{error}");
    let error = registry.schema(1).await.unwrap_err();
    assert!(matches!(error, RegistryError::Unavailable { .. }), "{error}");
}

#[tokio::test]
async fn an_unknown_id_is_not_found_and_not_asked_for_again() {
    let (server, folder) = (Server::start().await, TempDir::new().unwrap());
    server.know_ours();
    let registry = Registry::new(&server.url, folder.path()).unwrap();
    let error = registry.schema(404).await.unwrap_err();
    assert!(matches!(error, RegistryError::NotFound(_)), "{error}");
    let asked = server.asked();
    let error = registry.schema(404).await.unwrap_err();
    assert!(matches!(error, RegistryError::NotFound(_)), "{error}");
    assert_eq!(server.asked(), asked);
    let error = registry.schema_id(EventType::OrderPlaced).await.unwrap_err();
    assert!(matches!(error, RegistryError::NotFound(_)), "{error}");
}

/// The number 404 in a text, a port or an id says nothing, nor does a body that is no registry's.
#[tokio::test]
async fn the_status_decides_what_an_error_is() {
    let (server, folder) = (Server::start().await, TempDir::new().unwrap());
    let registry = Registry::new(&server.url, folder.path()).unwrap();
    let question = "POST /subjects/orders-orderflow.OrderPlaced/versions";
    let bodies = [r#"{"error_code":40403,"message":"404"}"#, "<html>404</html>", ""];
    for (status, expected) in [
        (409, "refused"),
        (422, "refused"),
        (500, "away"),
        (503, "away"),
        (401, "away"),
        (404, "unknown"),
    ] {
        for body in bodies {
            server.answer(question, status, body);
            let sorted = match registry.register(EventType::OrderPlaced).await.unwrap_err() {
                RegistryError::Refused { .. } => "refused",
                RegistryError::Unavailable { .. } => "away",
                RegistryError::NotFound(_) => "unknown",
            };
            assert_eq!(sorted, expected, "status {status}, body {body}");
        }
    }
}

#[tokio::test]
async fn an_answer_that_is_none_of_a_registry_counts_as_away() {
    let (server, folder) = (Server::start().await, TempDir::new().unwrap());
    let registry = Registry::new(&server.url, folder.path()).unwrap();
    server.answer("GET /schemas/ids/1", 200, "<html>a proxy's log-in page</html>");
    let error = registry.schema(1).await.unwrap_err();
    assert!(matches!(error, RegistryError::Unavailable { .. }), "{error}");
    assert!(!folder.path().read_dir().unwrap().any(|_| true), "nothing of it is kept");
}

#[tokio::test]
async fn a_half_written_file_is_not_trusted() {
    let (server, folder) = (Server::start().await, TempDir::new().unwrap());
    server.answer(PLACED, 200, r#"{"id": 712}"#);
    let url = server.url.clone();
    let registry = Registry::new(&url, folder.path()).unwrap();
    registry.schema_id(EventType::OrderPlaced).await.unwrap();
    server.stop().await;
    let files = files(&folder);
    assert_eq!(files.len(), 2, "an id and a schema: {files:?}");
    for file in files {
        let whole = std::fs::read(&file).unwrap();
        std::fs::write(&file, &whole[..whole.len() - 1]).unwrap();
    }
    let restarted = Registry::new(&url, folder.path()).unwrap();
    assert!(restarted.schema_id(EventType::OrderPlaced).await.is_err(), "71 is not 712");
    assert!(restarted.schema(712).await.is_err());
}

#[tokio::test]
async fn a_registry_that_was_wiped_and_filled_again_gives_the_ids() {
    let (server, folder) = (Server::start().await, TempDir::new().unwrap());
    server.answer(PLACED, 200, r#"{"id": 1}"#);
    server.answer("GET /schemas/ids/2", 200, &schema_answer(EventType::OrderRejected));
    let registry = || Registry::new(&server.url, folder.path()).unwrap();
    registry().schema_id(EventType::OrderPlaced).await.unwrap();
    registry().schema(2).await.unwrap();
    server.answer(PLACED, 200, r#"{"id": 2}"#);
    server.answer("GET /schemas/ids/2", 200, &schema_answer(EventType::OrderPlaced));
    assert_eq!(registry().schema_id(EventType::OrderPlaced).await.unwrap(), 2);
    assert_eq!(registry().schema(2).await.unwrap(), EventType::OrderPlaced.schema());
}

#[tokio::test]
async fn an_id_that_a_wiped_registry_no_longer_gives_is_not_written_with() {
    let (server, folder) = (Server::start().await, TempDir::new().unwrap());
    server.answer(PLACED, 200, r#"{"id": 1}"#);
    let url = server.url.clone();
    let registry = || Registry::new(&url, folder.path()).unwrap();
    registry().schema_id(EventType::OrderPlaced).await.unwrap();
    server.script.lock().unwrap().answers.clear();
    let error = registry().schema_id(EventType::OrderPlaced).await.unwrap_err();
    assert!(matches!(error, RegistryError::NotFound(_)), "{error}");
    server.stop().await;
    let error = registry().schema_id(EventType::OrderPlaced).await.unwrap_err();
    assert!(matches!(error, RegistryError::Unavailable { .. }), "{error}");
}

#[tokio::test]
async fn a_schema_on_the_disk_outlives_a_registry_that_lost_it() {
    let (server, folder) = (Server::start().await, TempDir::new().unwrap());
    server.answer("GET /schemas/ids/2", 200, &schema_answer(EventType::OrderRejected));
    let registry = || Registry::new(&server.url, folder.path()).unwrap();
    registry().schema(2).await.unwrap();
    server.script.lock().unwrap().answers.clear();
    server.know_ours();
    for _ in 0..2 {
        assert_eq!(registry().schema(2).await.unwrap(), EventType::OrderRejected.schema());
    }
}

/// An empty registry, or one of somebody else, says 404 to every id: no record is poison for that.
#[tokio::test]
async fn a_registry_that_knows_none_of_our_schemas_counts_as_away() {
    let (server, folder) = (Server::start().await, TempDir::new().unwrap());
    let registry = Registry::new(&server.url, folder.path()).unwrap();
    let error = registry.schema(1).await.unwrap_err();
    assert!(matches!(error, RegistryError::Unavailable { .. }), "{error}");
    assert!(error.to_string().contains("none of our schemas"), "{error}");
    server.answer(&format!("{VERSIONS}/versions"), 503, "{}");
    let error = registry.schema(1).await.unwrap_err();
    assert!(matches!(error, RegistryError::Unavailable { .. }), "{error}");
    server.know_ours();
    let error = registry.schema(1).await.unwrap_err();
    assert!(matches!(error, RegistryError::NotFound(_)), "{error}");
}

#[tokio::test]
async fn a_login_is_sent_and_never_shown() {
    let (server, folder) = (Server::start().await, TempDir::new().unwrap());
    server.answer(PLACED, 200, r#"{"id": 7}"#);
    server.answer("GET /schemas/ids/8", 500, "{}");
    let url = server.url.replace("http://", "http://ada:s%2Fcret@");
    let registry = Registry::new(&url, folder.path()).unwrap();
    assert_eq!(registry.schema_id(EventType::OrderPlaced).await.unwrap(), 7);
    let mut errors = vec![
        registry.schema(8).await.unwrap_err(),
        registry.schema(9).await.unwrap_err(),
        registry.register(EventType::OrderPlaced).await.unwrap_err(),
        registry.schema_id(EventType::OrderRejected).await.unwrap_err(),
    ];
    // `ada:s/cret` in base64.
    let login = Some("Basic YWRhOnMvY3JldA==".to_owned());
    let logins = std::mem::take(&mut server.script.lock().unwrap().logins);
    assert!(logins.iter().all(|sent| *sent == login), "{logins:?}");
    let without = Registry::new(&server.url, folder.path()).unwrap();
    server.stop().await;
    assert_eq!(without.schema_id(EventType::OrderPlaced).await.unwrap(), 7, "the same folder");
    errors.push(registry.schema(9).await.unwrap_err());
    errors.push(registry.register(EventType::OrderPlaced).await.unwrap_err());
    for bad in ["http://ada:cret@", "ada:cret@host", "//ada:cret@host", "http://ada:cret@h:x"] {
        errors.extend(Registry::new(bad, folder.path()).err());
    }
    assert_eq!(errors.len(), 10);
    for error in errors {
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains("ada") && !shown.contains("cret"), "{shown}");
    }
}

/// Counts the warnings of this crate.
#[derive(Default)]
struct Warnings(Arc<std::sync::atomic::AtomicUsize>);

impl tracing::Subscriber for Warnings {
    fn enabled(&self, of: &tracing::Metadata<'_>) -> bool {
        *of.level() == tracing::Level::WARN && of.target().starts_with("schema_registry")
    }
    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }
    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn event(&self, _: &tracing::Event<'_>) {
        self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    }
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}

#[tokio::test]
async fn a_folder_that_cannot_be_written_is_warned_of_once_and_stops_nothing() {
    let (server, folder) = (Server::start().await, TempDir::new().unwrap());
    server.answer("GET /schemas/ids/2", 200, &schema_answer(EventType::OrderRejected));
    server.answer(PLACED, 200, r#"{"id": 7}"#);
    let file = folder.path().join("a file");
    std::fs::write(&file, "").unwrap();
    let warnings = Warnings::default();
    let count = warnings.0.clone();
    let _guard = tracing::subscriber::set_default(warnings);
    let registry = Registry::new(&server.url, &file).unwrap();
    registry.schema(2).await.unwrap();
    registry.schema_id(EventType::OrderPlaced).await.unwrap();
    assert_eq!(count.load(std::sync::atomic::Ordering::Relaxed), 1);
}

#[tokio::test]
async fn two_registries_share_a_folder_and_no_ids() {
    let folder = TempDir::new().unwrap();
    let (one, other) = (Server::start().await, Server::start().await);
    one.answer(PLACED, 200, r#"{"id": 1}"#);
    other.answer(PLACED, 200, r#"{"id": 2}"#);
    let urls = [one.url.clone(), other.url.clone()];
    let registry = |n: usize| Registry::new(&urls[n], folder.path()).unwrap();
    registry(0).schema_id(EventType::OrderPlaced).await.unwrap();
    registry(1).schema_id(EventType::OrderPlaced).await.unwrap();
    one.stop().await;
    other.stop().await;
    assert_eq!(registry(0).schema_id(EventType::OrderPlaced).await.unwrap(), 1);
    assert_eq!(registry(1).schema_id(EventType::OrderPlaced).await.unwrap(), 2);
}

#[tokio::test]
async fn a_registry_that_is_away_is_not_asked_for_every_schema() {
    let (server, folder) = (Server::start().await, TempDir::new().unwrap());
    for event_type in EventType::ALL {
        let question = format!("POST /subjects/{}", event_type.subject());
        server.answer(&question, 200, r#"{"id": 1}"#);
    }
    let registry = || Registry::new(&server.url, folder.path()).unwrap();
    registry().schema_ids(EventType::ALL).await.unwrap();
    for event_type in EventType::ALL {
        server.answer(&format!("POST /subjects/{}", event_type.subject()), 503, "{}");
    }
    let before = server.asked();
    assert_eq!(registry().schema_ids(EventType::ALL).await.unwrap().len(), EventType::ALL.len());
    assert_eq!(server.asked() - before, 1);
}

#[tokio::test]
async fn a_connection_that_fell_silent_after_its_answer_costs_no_question() {
    let (server, folder) = (Server::start().await, TempDir::new().unwrap());
    server.script.lock().unwrap().falls_silent = true;
    server.answer("GET /schemas/ids/7", 200, &schema_answer(EventType::OrderPlaced));
    server.answer("GET /schemas/ids/8", 200, &schema_answer(EventType::ProductUpserted));
    server.answer(PLACED, 200, r#"{"id": 7, "version": 1}"#);
    let registry = Registry::new(&server.url, folder.path()).unwrap();
    registry.schema(7).await.unwrap();
    registry.schema(8).await.unwrap();
    for _ in 0..2 {
        assert_eq!(registry.schema_id(EventType::OrderPlaced).await.unwrap(), 7);
    }
    assert_eq!(server.asked(), 4, "none of the answers is the folder's");
}
