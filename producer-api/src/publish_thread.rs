//! The thread that talks to the brokers: what they say wakes it alone, and no worker of HTTP. It connects,
//! and connects again after an error that ends a producer.

use std::sync::Arc;
use std::time::Duration;

use ::metrics::Counter;
use futures::FutureExt;
use krafka::producer::Producer;
use krafka::{CloseOptions, Kafka, KrafkaError};
use tokio::sync::{Semaphore, mpsc};

use crate::cluster::Cluster;
use crate::connection::Connection;
use crate::gather::{Ended, Waiting, gather};

/// Between two attempts to connect.
const PAUSE: Duration = Duration::from_millis(250);
/// How long a producer that is given up may take for what it still has to answer.
const CLOSING: Duration = Duration::from_secs(1);

/// What the thread works with.
pub(crate) struct PublishThread {
    pub(crate) cluster: Cluster,
    pub(crate) connection: Arc<Connection>,
    /// All are there when nothing is on its way.
    pub(crate) permits: Arc<Semaphore>,
    pub(crate) rebuilt: Counter,
    /// Of orders first.
    pub(crate) topics: Vec<String>,
}

impl PublishThread {
    /// Starts it. It ends when the sender is dropped and every record has its report.
    ///
    /// # Errors
    /// When there is no thread to be had.
    pub(crate) fn start(self) -> std::io::Result<mpsc::UnboundedSender<Waiting>> {
        let (sender, waiting) = mpsc::unbounded_channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let run = move || {
            let down = DownAtTheEnd(Arc::clone(&self.connection));
            // A task, because each time that a runtime's first future is woken costs two system calls.
            let ended = runtime.block_on(runtime.spawn(self.run(waiting)));
            drop(down);
            if let Err(error) = ended {
                tracing::error!(%error, "the thread that publishes has ended");
            }
        };
        std::thread::Builder::new().name("publish".into()).spawn(run)?;
        Ok(sender)
    }

    async fn run(self, mut waiting: mpsc::UnboundedReceiver<Waiting>) {
        let all = self.permits.available_permits();
        while let Some((kafka, producer)) = self.connect(&mut waiting).await {
            self.connection.answered();
            let are_under_way = || self.permits.available_permits() < all;
            let orders = self.topics.first().map_or("", String::as_str);
            let ended = tokio::select! {
                ended = gather(&producer, &mut waiting) => ended,
                never = self.connection.watch(&kafka, orders, are_under_way) => match never {},
            };
            match ended {
                Ended::Closed => return close(&producer).await,
                Ended::Broken(error) => self.give_up(&producer, &error).await,
            }
        }
    }

    /// A connection; `None` when nobody wants one any more. What comes meanwhile is refused.
    async fn connect(
        &self,
        waiting: &mut mpsc::UnboundedReceiver<Waiting>,
    ) -> Option<(Kafka, Producer)> {
        let mut connected = Box::pin(self.connected().fuse());
        loop {
            tokio::select! {
                connected = &mut connected => return Some(connected),
                refused = waiting.recv() => {
                    let refused = refused?;
                    let _ = refused.report.send(Err(KrafkaError::timeout("connecting")));
                }
            }
        }
    }

    async fn connected(&self) -> (Kafka, Producer) {
        loop {
            match self.cluster.connect(&self.topics).await {
                Ok(connected) => return connected,
                Err(error) => tracing::debug!(%error, "could not connect to the brokers"),
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn give_up(&self, producer: &Producer, error: &KrafkaError) {
        tracing::error!(%error, "the producer is broken and will be rebuilt");
        self.rebuilt.increment(1);
        self.connection.down("the producer is being rebuilt");
        close(producer).await;
    }
}

async fn close(producer: &Producer) {
    if let Err(error) = producer.close_with(CloseOptions::new().timeout(CLOSING)).await {
        tracing::debug!(%error, "could not close the producer");
    }
}

/// However the thread ends, nothing is published any more.
struct DownAtTheEnd(Arc<Connection>);

impl Drop for DownAtTheEnd {
    fn drop(&mut self) {
        self.0.down("the thread that publishes has ended");
    }
}
