//! Carries connections to the test's Postgres, and can lose the answer to a commit. Tests nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions, PgSslMode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

pub(crate) struct Relay {
    /// Its connections go through the relay.
    pub(crate) pool: PgPool,
    loses: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

impl Relay {
    pub(crate) async fn to(options: PgConnectOptions) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let loses = Arc::new(AtomicBool::new(false));
        let server = format!("{}:{}", options.get_host(), options.get_port());
        let task = tokio::spawn(accept(listener, server, loses.clone()));
        // In the clear, so that a commit can be seen going by.
        let options = options.host("127.0.0.1").port(port).ssl_mode(PgSslMode::Disable);
        let options = chassis::postgres::session(options, "confirmation-email");
        let pool = PgPoolOptions::new().max_connections(1).connect_lazy_with(options);
        Self { pool, loses, task }
    }

    /// The next commit happens, and nobody hears of it.
    pub(crate) fn lose_the_next_commit(&self) {
        self.loses.store(true, Ordering::SeqCst);
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, server: String, loses: Arc<AtomicBool>) {
    while let Ok((client, _)) = listener.accept().await {
        let server = TcpStream::connect(&server).await.unwrap();
        tokio::spawn(carry(client, server, loses.clone()));
    }
}

async fn carry(mut client: TcpStream, mut server: TcpStream, loses: Arc<AtomicBool>) {
    let (mut asked, mut answered) = (Vec::new(), Vec::new());
    let mut lost = false;
    loop {
        tokio::select! {
            Ok(1..) = client.read_buf(&mut asked) => {
                let is_commit = asked.windows(6).any(|text| text == b"COMMIT");
                lost |= is_commit && loses.swap(false, Ordering::SeqCst);
                server.write_all(&asked).await.unwrap();
                asked.clear();
            }
            Ok(1..) = server.read_buf(&mut answered) => {
                if lost {
                    return;
                }
                client.write_all(&answered).await.unwrap();
                answered.clear();
            }
            else => return,
        }
    }
}
