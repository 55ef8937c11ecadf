//! Sends what is due and takes down how it ended. Decides neither when nor what.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use anyhow::Context;
use tokio::sync::Semaphore;
use tokio::sync::mpsc::Receiver;
use tokio_util::sync::CancellationToken;

use super::client::{Answer, Client, Sent, Settled};
use super::pace::Due;
use super::request::{self, Job, OrderJob, Request};
use super::tally::{Ending, Tally};
use crate::ledger::{Entry, Ledger};

/// What every request of a load shares.
pub(crate) struct Run {
    pub(crate) client: Client,
    pub(crate) ledger: Option<Ledger>,
    /// What is loaded, and for orders also their cancellations.
    sums: Mutex<Sums>,
    /// Take nothing new, finish what is under way.
    pub(crate) stop: CancellationToken,
}

/// The sums so far.
pub(crate) struct Sums {
    pub(crate) requests: Tally,
    pub(crate) cancels: Tally,
    /// Why the load had to stop.
    broken: Option<anyhow::Error>,
}

impl Run {
    pub(crate) fn new(
        client: Client,
        ledger: Option<Ledger>,
        stop: CancellationToken,
    ) -> anyhow::Result<Self> {
        let sums = Sums { requests: Tally::new()?, cancels: Tally::new()?, broken: None };
        Ok(Self { client, ledger, sums: Mutex::new(sums), stop })
    }

    /// The sums so far, locked.
    pub(crate) fn sums(&self) -> MutexGuard<'_, Sums> {
        self.sums.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stop_because(&self, error: anyhow::Error) {
        self.sums().broken.get_or_insert(error);
        self.stop.cancel();
    }

    async fn one(&self, job: Job, intended: Instant) {
        let sent = self.client.settle(&job.request).await;
        let Some(order) = &job.order else {
            self.sums().requests.add(&sent, &describe(&job.request), false, intended);
            return;
        };
        if let Err(error) = self.order(&job.request, order, sent, intended).await {
            self.stop_because(error);
        }
    }

    async fn order(
        &self,
        request: &Request,
        order: &OrderJob,
        sent: Sent,
        intended: Instant,
    ) -> anyhow::Result<()> {
        let acknowledged_at = chassis::clock::now().timestamp_micros();
        let ending = self.sums().requests.add(&sent, &describe(request), order.empty, intended);
        let (Ending::Accepted, Settled::Answered(answer)) = (ending, sent.settled) else {
            return Ok(());
        };
        let (order_id, position) = named(&answer)?;
        let entry = Entry {
            order_id,
            customer_id: &order.customer_id,
            basket: &order.basket,
            position,
            acknowledged_at_micros: acknowledged_at,
            cancel_position: None,
        };
        self.write_down(&entry)?;
        if order.cancel { self.cancel(entry).await } else { Ok(()) }
    }

    async fn cancel(&self, entry: Entry<'_>) -> anyhow::Result<()> {
        let request = request::cancel(entry.order_id, entry.customer_id)?;
        let started = Instant::now();
        let sent = self.client.settle(&request).await;
        let ending = self.sums().cancels.add(&sent, &describe(&request), false, started);
        let (Ending::Accepted, Settled::Answered(answer)) = (ending, sent.settled) else {
            return Ok(());
        };
        self.write_down(&Entry { cancel_position: answer.position.as_deref(), ..entry })
    }

    fn write_down(&self, entry: &Entry<'_>) -> anyhow::Result<()> {
        self.ledger.as_ref().map_or(Ok(()), |ledger| ledger.write(entry))
    }
}

/// Sends until there is no more, or until it is to stop; returns when all that was sent is over.
/// At most `in_flight` at a time.
pub(crate) async fn drive(
    run: &Arc<Run>,
    mut due: Receiver<Due>,
    in_flight: usize,
) -> anyhow::Result<()> {
    let slots = Arc::new(Semaphore::new(in_flight));
    loop {
        let next = tokio::select! {
            next = next(&slots, &mut due) => next?,
            () = run.stop.cancelled() => None,
        };
        let Some((slot, at, job)) = next else { break };
        let run = Arc::clone(run);
        tokio::spawn(async move {
            run.one(job, at).await;
            drop(slot);
        });
    }
    drop(due);
    let all = u32::try_from(in_flight).context("too many at a time")?;
    let _everything_is_over = slots.acquire_many(all).await?;
    match run.sums().broken.take() {
        Some(error) => Err(error),
        None => Ok(()),
    }
}

type Next = (tokio::sync::OwnedSemaphorePermit, Instant, Job);

/// The next request with the slot for it. An open loop's request that has to wait for a slot keeps
/// the time at which it was to start.
async fn next(slots: &Arc<Semaphore>, due: &mut Receiver<Due>) -> anyhow::Result<Option<Next>> {
    let slot = Arc::clone(slots).acquire_owned().await?;
    let Some(due) = due.recv().await else { return Ok(None) };
    Ok(Some((slot, due.at.unwrap_or_else(Instant::now), due.job?)))
}

/// The id and position that an acknowledgement must carry.
fn named(answer: &Answer) -> anyhow::Result<(&str, &str)> {
    let id = answer.order_id.as_deref().context("an acknowledgement names no order_id")?;
    let position = answer.position.as_deref();
    Ok((id, position.context("an acknowledgement has no Order-Position header")?))
}

fn describe(request: &Request) -> String {
    match &request.key {
        Some(key) => format!("{} {} {key}", request.method, request.path),
        None => format!("{} {}", request.method, request.path),
    }
}
