//! A relay to a server that a test can take away and bring back, while the server itself goes on
//! for everybody else. Understands nothing of what it carries.

use std::net::SocketAddr;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// Carries connections until it is dropped; then it hangs up and nobody listens any more.
pub struct Relay {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Relay {
    /// A relay to `host:port`, on a free port of its own.
    ///
    /// # Panics
    /// When no port is free.
    pub async fn to(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        Self { address, task: tokio::spawn(accept(listener, server.to_owned())) }
    }

    /// `url` with the relay in the place of its server.
    ///
    /// # Panics
    /// When `url` names no host and port.
    pub fn instead_of_server_in(&self, url: &str) -> String {
        url.replacen(host_and_port(url), &self.address.to_string(), 1)
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
    rest.split('/').next().unwrap()
}

async fn accept(listener: TcpListener, server: String) {
    // Dropped with the listener, so that connections end when the relay does.
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((mut client, _)) = listener.accept().await {
        let server = server.clone();
        connections.spawn(async move {
            if let Ok(mut server) = TcpStream::connect(server).await {
                let _ = copy_bidirectional(&mut client, &mut server).await;
            }
        });
    }
}
