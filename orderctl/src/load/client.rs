//! Sends one request until it is settled: retries, and goes from one API to the next. Counts nothing.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use chassis::backoff::Backoff;
use reqwest::StatusCode;
use reqwest::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use serde::Deserialize;

use super::request::Request;

/// An API follows the catalogue from Kafka, so right after a product was acknowledged another
/// instance may not know it yet. Only for so long is a 404 worth another try.
const CATALOGUE_SETTLES_WITHIN: Duration = Duration::from_secs(5);
/// An answer longer than this is not one of ours.
const PROBLEM_BYTES_MAX: usize = 64 * 1024;

/// Between two attempts, unless the API asks for longer.
const BACKOFF: Backoff =
    Backoff { first: Duration::from_millis(50), longest: Duration::from_secs(1) };

/// How to send.
#[derive(Debug, Clone)]
pub(crate) struct ClientSettings {
    pub(crate) apis: Vec<String>,
    pub(crate) timeout: Duration,
    pub(crate) retry_for: Duration,
    /// Connections that are kept open.
    pub(crate) connections: usize,
}

/// What became of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Settled {
    Answered(Answer),
    /// Nobody said what became of it; the last cause.
    Unknown(String),
}

/// A request that is over, and why it was sent more than once.
#[derive(Debug)]
pub(crate) struct Sent {
    pub(crate) settled: Settled,
    pub(crate) retried: Vec<String>,
}

/// An answer that no retry would change.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// The `Order-Position` header.
    pub(crate) position: Option<String>,
    /// The order's id, where the body names one.
    pub(crate) order_id: Option<String>,
    /// The last word of the problem's type.
    pub(crate) problem: Option<String>,
    /// What the problem says about this request.
    pub(crate) detail: Option<String>,
    /// What the problem says of a retry.
    pub(crate) retry: Option<String>,
}

impl Answer {
    pub(crate) fn accepted(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

/// What one attempt came to.
enum Attempt {
    Over(Answer),
    /// Worth another try, after this pause at least.
    Again {
        cause: String,
        pause: Option<Duration>,
    },
    /// Nobody listens there: the next API may.
    Unreachable,
}

pub(crate) struct Client {
    http: reqwest::Client,
    settings: ClientSettings,
    turn: AtomicUsize,
    /// So that no two wait alike.
    requests: AtomicU64,
    started: Instant,
}

impl Client {
    pub(crate) fn new(settings: ClientSettings) -> anyhow::Result<Self> {
        let http = reqwest::Client::builder()
            .timeout(settings.timeout)
            .connect_timeout(Duration::from_secs(2))
            .tcp_nodelay(true)
            .pool_max_idle_per_host(settings.connections)
            .redirect(reqwest::redirect::Policy::none())
            // The load goes to the servers it names, whatever the environment says of proxies.
            .no_proxy()
            .user_agent(concat!("orderctl/", env!("CARGO_PKG_VERSION")))
            .build();
        let http = http.context("could not set up the HTTP client")?;
        Ok(Self {
            http,
            settings,
            turn: AtomicUsize::new(0),
            requests: AtomicU64::new(0),
            started: Instant::now(),
        })
    }

    /// Sends until there is an answer that a retry would not change, or the time for retries is up.
    pub(crate) async fn settle(&self, request: &Request) -> Sent {
        let deadline = Instant::now() + self.settings.retry_for;
        let mut retried = Vec::new();
        let seed = self.requests.fetch_add(1, Ordering::Relaxed);
        loop {
            let (cause, asked) = match self.attempt_somewhere(request).await {
                Attempt::Over(answer) => {
                    return Sent { settled: Settled::Answered(answer), retried };
                }
                Attempt::Again { cause, pause } => (cause, pause),
                Attempt::Unreachable => ("not reachable".to_owned(), None),
            };
            let attempts = u32::try_from(retried.len()).unwrap_or(u32::MAX).saturating_add(1);
            let pause = BACKOFF.wait(attempts, seed).max(asked.unwrap_or_default());
            if Instant::now() + pause > deadline {
                return Sent { settled: Settled::Unknown(cause), retried };
            }
            retried.push(cause);
            tokio::time::sleep(pause).await;
        }
    }

    /// Tries the API whose turn it is, and the others at once where nobody listens.
    async fn attempt_somewhere(&self, request: &Request) -> Attempt {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let apis = &self.settings.apis;
        for api in apis.iter().cycle().skip(turn % apis.len().max(1)).take(apis.len()) {
            match self.attempt(api, request).await {
                Attempt::Unreachable => {}
                tried => return tried,
            }
        }
        Attempt::Unreachable
    }

    async fn attempt(&self, api: &str, request: &Request) -> Attempt {
        let url = format!("{api}{}", request.path);
        let mut sending = self
            .http
            .request(request.method.clone(), url)
            .header(CONTENT_TYPE, "application/json")
            .body(request.body.clone());
        if let Some(key) = &request.key {
            sending = sending.header("Idempotency-Key", key);
        }
        match sending.send().await {
            Ok(response) => self.read(response).await,
            Err(error) if error.is_connect() => Attempt::Unreachable,
            Err(error) => Attempt::Again { cause: cause_of(&error), pause: None },
        }
    }

    async fn read(&self, response: reqwest::Response) -> Attempt {
        let status = response.status();
        let position = text_of(response.headers(), "Order-Position");
        let pause = text_of(response.headers(), RETRY_AFTER.as_str())
            .and_then(|seconds| seconds.parse().ok())
            .map(Duration::from_secs);
        let body = match response.bytes().await {
            Ok(body) if body.len() <= PROBLEM_BYTES_MAX => body,
            Ok(_) => Default::default(),
            Err(error) => return Attempt::Again { cause: cause_of(&error), pause: None },
        };
        let answer = Answer { status: status.as_u16(), position, ..parse(status, &body) };
        let settling = self.started.elapsed() < CATALOGUE_SETTLES_WITHIN;
        let again = is_worth_another_try(status, answer.retry.as_deref())
            || (status == StatusCode::NOT_FOUND && settling);
        match again {
            true => Attempt::Again { cause: name(&answer), pause },
            false => Attempt::Over(answer),
        }
    }
}

/// What the problem says counts; the status does where there is none, as from a proxy between.
fn is_worth_another_try(status: StatusCode, retry: Option<&str>) -> bool {
    match retry {
        Some("never") => false,
        Some("later" | "same-key") => true,
        _ => {
            status.is_server_error()
                || matches!(
                    status,
                    StatusCode::REQUEST_TIMEOUT
                        | StatusCode::TOO_EARLY
                        | StatusCode::TOO_MANY_REQUESTS
                )
        }
    }
}

/// The status and, where there is one, the problem.
pub(crate) fn name(answer: &Answer) -> String {
    match &answer.problem {
        Some(problem) => format!("{} {problem}", answer.status),
        None => answer.status.to_string(),
    }
}

fn cause_of(error: &reqwest::Error) -> String {
    let cause = if error.is_timeout() { "timeout" } else { "connection broke" };
    cause.to_owned()
}

fn text_of(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

#[derive(Deserialize)]
struct AcceptedBody {
    order_id: Option<String>,
}

#[derive(Deserialize)]
struct ProblemBody {
    #[serde(rename = "type")]
    kind: Option<String>,
    detail: Option<String>,
    retry: Option<String>,
    #[serde(default)]
    errors: Vec<FaultBody>,
}

#[derive(Deserialize)]
struct FaultBody {
    pointer: String,
    detail: String,
}

/// What the body says; one that is not ours says nothing.
fn parse(status: StatusCode, body: &[u8]) -> Answer {
    if status.is_success() {
        let parsed: Option<AcceptedBody> = serde_json::from_slice(body).ok();
        return Answer { order_id: parsed.and_then(|body| body.order_id), ..Answer::default() };
    }
    let Ok(problem) = serde_json::from_slice::<ProblemBody>(body) else {
        return Answer::default();
    };
    let faults = problem.errors.iter().map(|fault| format!("{}: {}", fault.pointer, fault.detail));
    let said: Vec<String> = problem.detail.into_iter().chain(faults).collect();
    let word = |kind: String| kind.rsplit(':').next().unwrap_or_default().to_owned();
    Answer {
        problem: problem.kind.map(word),
        retry: problem.retry,
        detail: (!said.is_empty()).then(|| said.join("; ")),
        ..Answer::default()
    }
}
