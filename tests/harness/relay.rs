//! A relay to a server that a test can take away and bring back, or hold still, while the server
//! itself goes on for everybody else. Understands nothing of what it carries.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::eventually;

const WITHIN: Duration = Duration::from_secs(30);

/// Carries connections until it is dropped; then it hangs up and nobody listens any more.
pub struct Relay {
    address: SocketAddr,
    server: String,
    rewrites: Rewrites,
    flows: watch::Sender<bool>,
    delay: Arc<AtomicU64>,
    task: JoinHandle<()>,
}

/// Bytes that the server sends, and as many that its clients get instead.
pub(crate) type Rewrites = Arc<Vec<(Vec<u8>, Vec<u8>)>>;

impl Relay {
    /// A relay to `host:port`, on a free port of its own.
    ///
    /// # Panics
    /// When no port is free.
    pub async fn to(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self::on(listener, server.to_owned(), Rewrites::default())
    }

    pub(crate) fn on(listener: TcpListener, server: String, rewrites: Rewrites) -> Self {
        let address = listener.local_addr().unwrap();
        let flows = watch::Sender::new(true);
        let way = Way {
            flows: flows.subscribe(),
            rewrites: Arc::clone(&rewrites),
            delay: Arc::default(),
        };
        let delay = Arc::clone(&way.delay);
        let task = tokio::spawn(accept(listener, server.clone(), way));
        Self { address, server, rewrites, flows, delay, task }
    }

    /// Hangs up; from now on nobody listens.
    pub fn cut(&self) {
        self.task.abort();
    }

    /// Listens again, where it did.
    ///
    /// # Panics
    /// When somebody else took the port.
    pub async fn mend(&mut self) {
        let bound = async || TcpListener::bind(self.address).await.ok();
        let listener = eventually(WITHIN, "the relay's port is free", bound).await;
        let (rewrites, delay) = (Arc::clone(&self.rewrites), Arc::clone(&self.delay));
        let way = Way { flows: self.flows.subscribe(), rewrites, delay };
        self.task = tokio::spawn(accept(listener, self.server.clone(), way));
    }

    /// Whatever either side sends arrives so much later.
    pub fn delay(&self, by: Duration) {
        self.delay.store(by.as_millis().try_into().unwrap(), Ordering::Relaxed);
    }

    /// `url` with the relay in the place of its server.
    ///
    /// # Panics
    /// When `url` names no host and port.
    pub fn instead_of_server_in(&self, url: &str) -> String {
        url.replacen(host_and_port(url), &self.address.to_string(), 1)
    }

    /// Holds back what clients send, until it flows again; the connections stay.
    pub(crate) fn flow(&self, flows: bool) {
        self.flows.send_replace(flows);
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
    rest.split('/').next().unwrap().rsplit('@').next().unwrap()
}

/// What becomes of the bytes on their way.
#[derive(Clone)]
struct Way {
    flows: watch::Receiver<bool>,
    rewrites: Rewrites,
    delay: Arc<AtomicU64>,
}

async fn accept(listener: TcpListener, server: String, way: Way) {
    // Dropped with the listener, so that connections end when the relay does.
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        let (server, back) = (server.clone(), way.clone());
        connections.spawn(async move {
            let Ok(server) = TcpStream::connect(server).await else { return };
            let ((from_client, to_client), (from_server, to_server)) =
                (client.into_split(), server.into_split());
            let (_stays, always) = watch::channel(true);
            let there = Way { rewrites: Rewrites::default(), ..back.clone() };
            tokio::select! {
                _ = carry(from_client, to_server, there) => {}
                _ = carry(from_server, to_client, Way { flows: always, ..back }) => {}
            }
        });
    }
}

/// Until either side hangs up.
async fn carry(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut way: Way,
) -> std::io::Result<()> {
    let mut chunk = vec![0; 1 << 16];
    let mut held = Vec::new();
    loop {
        let read = from.read(&mut chunk).await?;
        if read == 0 {
            return Ok(());
        }
        // An error says that the relay is gone; then this task is as well.
        let _ = way.flows.wait_for(|flows| *flows).await;
        let delay = way.delay.load(Ordering::Relaxed);
        if delay > 0 {
            tokio::time::sleep(Duration::from_millis(delay)).await;
        }
        held.extend_from_slice(&chunk[..read]);
        rewrite(&mut held, &way.rewrites);
        let ready = held.len() - begun(&held, &way.rewrites);
        to.write_all(&held[..ready]).await?;
        held.drain(..ready);
    }
}

fn rewrite(bytes: &mut [u8], rewrites: &Rewrites) {
    for (old, new) in rewrites.iter() {
        let places = bytes.windows(old.len()).enumerate().filter(|(_, window)| window == old);
        let places: Vec<usize> = places.map(|(place, _)| place).collect();
        for place in places {
            bytes[place..place + old.len()].copy_from_slice(new);
        }
    }
}

/// How many of the last bytes may be the beginning of what is rewritten.
fn begun(bytes: &[u8], rewrites: &Rewrites) -> usize {
    let longest = |(old, _): &(Vec<u8>, Vec<u8>)| {
        (1..old.len()).rev().find(|length| bytes.ends_with(&old[..*length])).unwrap_or_default()
    };
    rewrites.iter().map(longest).max().unwrap_or_default()
}
