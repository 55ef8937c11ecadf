//! A relay to a server that a test can make slow, silent or lossy, cut, or point elsewhere, while the
//! server itself goes on for everybody else. Understands nothing of what it carries.
#![expect(clippy::unwrap_used, reason = "a relay that cannot go on has failed the test")]

mod connection;
mod rewriting;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use connection::Connection;
pub use rewriting::{Rewrites, replace};

const PORT_FREE_WITHIN: Duration = Duration::from_secs(30);

/// Carries connections until it is dropped; then it hangs up and nobody listens any more.
#[derive(Debug)]
pub struct Relay {
    address: SocketAddr,
    rewrites: Arc<Rewrites>,
    state: Arc<watch::Sender<State>>,
    task: JoinHandle<()>,
}

/// What becomes of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Either side reads its end.
    Fin,
    /// Either side meets an error.
    Reset,
    /// The client reads its end; what it writes still goes nowhere, and the server hears nothing.
    HalfClosed,
    /// It stays open and carries nothing any more, and neither side is told.
    Silence,
}

#[derive(Debug, Clone)]
pub(crate) struct State {
    /// Where new connections go.
    server: String,
    /// New connections are accepted and carry nothing.
    is_deaf: bool,
    /// How connections of each generation ended; those of the present one have not.
    endings: Vec<Ending>,
    pub(crate) is_held: bool,
    pub(crate) delay: Duration,
    pub(crate) loss: Option<Loss>,
}

/// The answer to the next bytes of a client with `asked` in them does not arrive.
#[derive(Debug, Clone)]
pub(crate) struct Loss {
    pub(crate) asked: Vec<u8>,
    pub(crate) ending: Ending,
}

impl Relay {
    /// A relay to `host:port`, on a free port of its own.
    ///
    /// # Panics
    /// When no port is free.
    pub async fn to(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self::on(listener, server, Rewrites::default())
    }

    /// A relay that listens there, and rewrites what the server sends.
    ///
    /// # Panics
    /// When it does not listen.
    pub fn on(listener: TcpListener, server: &str, rewrites: Rewrites) -> Self {
        let address = listener.local_addr().unwrap();
        let state = State {
            server: server.to_owned(),
            is_deaf: false,
            endings: Vec::new(),
            is_held: false,
            delay: Duration::ZERO,
            loss: None,
        };
        let (state, rewrites) = (Arc::new(watch::Sender::new(state)), Arc::new(rewrites));
        let task = tokio::spawn(accept(listener, Arc::clone(&state), Arc::clone(&rewrites)));
        Self { address, rewrites, state, task }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `url` with the relay in the place of its server.
    ///
    /// # Panics
    /// When `url` names no host and port.
    pub fn instead_of_server_in(&self, url: &str) -> String {
        url.replacen(host_and_port(url), &self.address.to_string(), 1)
    }

    /// Every open connection ends so. New ones pass.
    pub fn end_open(&self, ending: Ending) {
        self.state.send_modify(|state| state.endings.push(ending));
    }

    /// Open connections stay open and carry nothing any more. New ones pass.
    pub fn silence(&self) {
        self.end_open(Ending::Silence);
    }

    /// New connections too are accepted and carry nothing, also later.
    pub fn silence_all(&self) {
        self.state.send_modify(|state| state.is_deaf = true);
        self.silence();
    }

    /// New connections pass again; a silent one stays so.
    pub fn speak(&self) {
        self.state.send_modify(|state| state.is_deaf = false);
    }

    /// Hangs up, and nobody listens until it is mended.
    pub fn cut(&self) {
        self.task.abort();
    }

    /// Listens again, where it did.
    ///
    /// # Panics
    /// When somebody else took the port.
    pub async fn mend(&mut self) {
        self.task.abort();
        let bound = async {
            loop {
                if let Ok(listener) = TcpListener::bind(self.address).await {
                    break listener;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let listener = tokio::time::timeout(PORT_FREE_WITHIN, bound).await.unwrap();
        let (state, rewrites) = (Arc::clone(&self.state), Arc::clone(&self.rewrites));
        self.task = tokio::spawn(accept(listener, state, rewrites));
    }

    /// Whatever either side sends arrives so much later.
    pub fn delay(&self, by: Duration) {
        self.state.send_modify(|state| state.delay = by);
    }

    /// Holds back what clients send, until it is released; the connections stay.
    pub fn hold(&self) {
        self.state.send_modify(|state| state.is_held = true);
    }

    /// What was held back goes on its way.
    pub fn release(&self) {
        self.state.send_modify(|state| state.is_held = false);
    }

    /// The next request with `asked` in it reaches the server, and the connection ends so in the place
    /// of the answer. Of no bytes: whatever a client sends next.
    pub fn lose_the_answer_to(&self, asked: &[u8], ending: Ending) {
        let loss = Loss { asked: asked.to_owned(), ending };
        self.state.send_modify(|state| state.loss = Some(loss));
    }

    /// Whether the request whose answer is lost has come by.
    pub fn has_lost(&self) -> bool {
        self.state.borrow().loss.is_none()
    }

    /// New connections go to another server from now on; open ones stay where they are.
    pub fn send_new_to(&self, server: &str) {
        self.state.send_modify(|state| server.clone_into(&mut state.server));
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The `host:port` of a URL.
///
/// # Panics
/// When it names none.
pub fn host_and_port(url: &str) -> &str {
    let (_, rest) = url.split_once("://").unwrap();
    rest.split(['/', '?']).next().unwrap().rsplit('@').next().unwrap()
}

async fn accept(listener: TcpListener, state: Arc<watch::Sender<State>>, rewrites: Arc<Rewrites>) {
    // Dropped with the listener, so that connections end when the relay does.
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        let (generation, server) = {
            let state = state.borrow();
            (state.endings.len(), (!state.is_deaf).then(|| state.server.clone()))
        };
        let state = Arc::clone(&state);
        let connection = Connection { generation, state, rewrites: Arc::clone(&rewrites) };
        connections.spawn(async move {
            match server {
                Some(server) => connection.carry(client, TcpStream::connect(server).await).await,
                None => connection.stay_silent(client).await,
            }
        });
    }
}
