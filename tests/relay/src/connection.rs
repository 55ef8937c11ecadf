//! One connection on its way, until either side or the relay ends it. Accepts none.

use std::io;
use std::sync::{Arc, OnceLock};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::watch;

use crate::{Ending, Rewrites, State};

pub(crate) struct Connection {
    /// So many endings there had been when it was accepted.
    pub(crate) generation: usize,
    pub(crate) state: Arc<watch::Sender<State>>,
    pub(crate) rewrites: Arc<Rewrites>,
}

impl Connection {
    /// A server that nobody reaches is one that refuses.
    pub(crate) async fn carry(self, mut client: TcpStream, server: io::Result<TcpStream>) {
        let Ok(mut server) = server else {
            let _ = client.set_zero_linger();
            return;
        };
        // Else a second small write waits for the receiver's acknowledgement of the first, 40 ms.
        let _ = client.set_nodelay(true).and(server.set_nodelay(true));
        let ending = {
            let (from_client, to_client) = client.split();
            let (from_server, to_server) = server.split();
            let lost = OnceLock::new();
            tokio::select! {
                ending = self.there(from_client, to_server, &lost) => ending.unwrap_or(Ending::Reset),
                ending = self.back(from_server, to_client, &lost) => ending.unwrap_or(Ending::Reset),
                ending = self.is_told() => ending,
            }
        };
        end(ending, client, server).await;
    }

    /// Until the relay ends it otherwise.
    pub(crate) async fn stay_silent(&self, client: TcpStream) {
        let _open = client;
        std::future::pending::<()>().await;
    }

    async fn is_told(&self) -> Ending {
        let mut state = self.state.subscribe();
        let told = state.wait_for(|state| state.endings.len() > self.generation).await;
        let told = told.ok().and_then(|state| state.endings.get(self.generation).copied());
        told.unwrap_or(Ending::Fin)
    }

    async fn there(
        &self,
        mut from: ReadHalf<'_>,
        mut to: WriteHalf<'_>,
        lost: &OnceLock<Ending>,
    ) -> io::Result<Ending> {
        let mut state = self.state.subscribe();
        let mut chunk = vec![0; 1 << 16];
        loop {
            let read = from.read(&mut chunk).await?;
            let Some(sent @ [_, ..]) = chunk.get(..read) else { return Ok(Ending::Fin) };
            // An error says that the relay is gone; then this task is as well.
            let _ = state.wait_for(|state| !state.is_held).await;
            self.pass_time().await;
            if let Some(ending) = self.loses_the_answer_to(sent) {
                let _ = lost.set(ending);
            }
            to.write_all(sent).await?;
        }
    }

    async fn back(
        &self,
        mut from: ReadHalf<'_>,
        mut to: WriteHalf<'_>,
        lost: &OnceLock<Ending>,
    ) -> io::Result<Ending> {
        let mut chunk = vec![0; 1 << 16];
        let mut held = Vec::new();
        loop {
            let read = from.read(&mut chunk).await?;
            let Some(sent @ [_, ..]) = chunk.get(..read) else { return Ok(Ending::Fin) };
            // The server has answered, and nobody hears of it.
            if let Some(ending) = lost.get() {
                return Ok(*ending);
            }
            self.pass_time().await;
            held.extend_from_slice(sent);
            let ready = self.rewrites.apply(&mut held);
            to.write_all(&ready).await?;
        }
    }

    async fn pass_time(&self) {
        let delay = self.state.borrow().delay;
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
    }

    fn loses_the_answer_to(&self, sent: &[u8]) -> Option<Ending> {
        let has = |asked: &[u8]| {
            asked.is_empty() || sent.windows(asked.len()).any(|bytes| bytes == asked)
        };
        let mut lost = None;
        self.state.send_if_modified(|state| {
            let loss = state.loss.take_if(|loss| has(&loss.asked));
            lost = loss.map(|loss| loss.ending);
            lost.is_some()
        });
        lost
    }
}

async fn end(ending: Ending, mut client: TcpStream, server: TcpStream) {
    match ending {
        Ending::Fin => {}
        Ending::Reset => {
            let _ = client.set_zero_linger();
            let _ = server.set_zero_linger();
        }
        Ending::HalfClosed => {
            let _ = client.shutdown().await;
            std::future::pending::<()>().await;
        }
        Ending::Silence => std::future::pending::<()>().await,
    }
}
