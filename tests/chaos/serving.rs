//! Whether the system serves again soon after a fault, and whether readiness tells the truth meanwhile.
//! Hurts nobody.

use std::convert::Infallible;
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use futures::future::join_all;
use harness::{Service, Violation, client, ensure, holds_within};
use serde_json::Value;

use crate::world::World;

/// After a fault everything works again, without a restart.
pub(crate) const WITHIN: Duration = Duration::from_secs(10);
/// Reads at once: more than a pool has connections.
const READS: usize = 20;
const ANSWERS_WITHIN: Duration = Duration::from_secs(3);
/// Whoever answers no read for so long must not say that it is ready.
const LIES_FOR: Duration = Duration::from_secs(5);
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// So many looks from one that fills the pool to the next: a connection of it lives for 6 s.
const FULL_EACH: usize = 8;

/// How long it took until every process was ready, every read was answered, and the newest order that
/// is acknowledged could be read.
pub(crate) async fn again(world: &World<'_>, ledger: &Path) -> Result<Duration, Violation> {
    let (since, newest) = (Instant::now(), newest(ledger));
    let mut missing = Violation(String::new());
    let serves = holds_within(WITHIN, async || match everything(world, &newest).await {
        Ok(()) => true,
        Err(violation) => {
            missing = violation;
            false
        }
    });
    let (serves, took) = (serves.await, since.elapsed());
    ensure(!serves || took <= WITHIN, format!("only after {took:?}"))?;
    if serves { Ok(took) } else { Err(missing) }
}

async fn everything(world: &World<'_>, newest: &Value) -> Result<(), Violation> {
    for process in world.processes() {
        let ready = tokio::time::timeout(ANSWERS_WITHIN, process.is_ready()).await;
        ensure(ready == Ok(true), format!("{} is not ready", process.name()))?;
    }
    for reader in &world.readers {
        let answers = join_all((0..READS).map(|_| reads(reader.url()))).await;
        let answered = answers.iter().filter(|answered| **answered).count();
        ensure(answered == READS, format!("{} answers {answered} of {READS}", reader.name()))?;
        knows(reader, newest).await?;
    }
    Ok(())
}

/// Whether a read is answered.
async fn reads(reader: String) -> bool {
    let request =
        client().get(format!("{reader}/v1/products?limit=1")).timeout(ANSWERS_WITHIN).send().await;
    request.is_ok_and(|answer| answer.status().is_success())
}

async fn knows(reader: &Service, order: &Value) -> Result<(), Violation> {
    let text = |field: &str| order[field].as_str().unwrap_or_default().to_owned();
    let request = client()
        .get(format!("{}/v1/orders/{}", reader.url(), text("order_id")))
        .timeout(ANSWERS_WITHIN)
        .header("Order-Min-Position", text("position"))
        .header("Prefer", "wait=1");
    let said = match request.send().await {
        Ok(answer) => answer.text().await.unwrap_or_default(),
        Err(error) => error.to_string(),
    };
    let shown: Value = serde_json::from_str(&said).unwrap_or_default();
    let fresh = shown["order_id"] == order["order_id"] && shown["stale"] == false;
    ensure(fresh, format!("{} does not know {}: {said}", reader.name(), text("position")))
}

/// The last whole line of the ledger.
fn newest(ledger: &Path) -> Value {
    let text = std::fs::read_to_string(ledger).unwrap();
    text.lines().rev().find_map(|line| serde_json::from_str(line).ok()).unwrap()
}

/// Looks at every reader while things are broken.
pub(crate) struct Watch {
    readers: Vec<String>,
    lie: Mutex<Option<String>>,
}

impl Watch {
    pub(crate) fn over(readers: &[Service]) -> Self {
        Self { readers: readers.iter().map(Service::url).collect(), lie: Mutex::default() }
    }

    /// For ever.
    pub(crate) async fn look(&self) -> Infallible {
        join_all(self.readers.iter().map(|reader| self.look_at(reader))).await;
        std::future::pending().await
    }

    async fn look_at(&self, reader: &str) {
        let (mut since, mut looks) = (None, 0);
        loop {
            // As many as fill the pool, or nobody would meet its dead connections; seldom, for the
            // machine has other things to do.
            let count = if looks % FULL_EACH == 0 { READS } else { 1 };
            looks += 1;
            let answers = join_all((0..count).map(|_| reads(reader.to_owned()))).await;
            let (reads, ready) = (answers.contains(&true), says_ready(reader).await);
            if reads || !ready {
                since = None;
            }
            let began = *since.get_or_insert_with(Instant::now);
            if began.elapsed() > LIES_FOR {
                let lie = format!("{reader} says that it is ready and answers no read");
                *self.lie.lock().unwrap() = Some(lie);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Whether readiness told the truth until now.
    pub(crate) fn verdict(&self) -> Result<(), Violation> {
        self.lie.lock().unwrap().take().map_or(Ok(()), |lie| Err(Violation(lie)))
    }
}

async fn says_ready(reader: &str) -> bool {
    let request = client().get(format!("{reader}/readyz")).timeout(ANSWERS_WITHIN).send().await;
    request.is_ok_and(|answer| answer.status().is_success())
}
