//! The couriers' working day: when they try, and when they stop. Sends nothing itself.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use chassis::health::{Dependency, Heartbeat};
use runtime::{ServiceContext, StoreError};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::claim;
use crate::courier::{Courier, Progress};
use crate::metrics;
use crate::post::Post;
use crate::settings::MailSettings;

/// For what no commit announces: retries that have come due, probes, and results that could not be
/// written. Wakes all of them.
const TICK: Duration = Duration::from_secs(1);
/// Between two looks at the whole ledger.
const SWEEP: Duration = Duration::from_secs(5);

/// Runs the couriers until shutdown.
///
/// # Errors
/// When a setting is missing or wrong, or a courier died.
pub async fn run(context: ServiceContext) -> anyhow::Result<()> {
    let settings = MailSettings::from_env()?;
    let stuck_after = settings.lease() * 2;
    let count = settings.connections;
    let health = &context.process.health;
    let post = Arc::new(Post::new(context.pool.clone(), settings, health)?);
    let shutdown = context.process.shutdown.clone();
    let ledger = health.dependency("ledger");
    let mut couriers = JoinSet::new();
    for number in 0..count {
        let round = Round {
            courier: Courier::new(post.clone(), shutdown.clone()),
            post: post.clone(),
            ledger: ledger.clone(),
            heartbeat: health.heartbeat(format!("courier-{number}"), stuck_after),
            shutdown: shutdown.clone(),
        };
        couriers.spawn(round.walk());
    }
    let upkeep = upkeep(&post, &context.committed, &shutdown);
    tokio::select! {
        () = upkeep => {}
        Some(done) = couriers.join_next() => done.context("a courier died")?,
    }
    while let Some(done) = couriers.join_next().await {
        done.context("a courier died")?;
    }
    Ok(())
}

/// Wakes the couriers, and looks after the ledger beside that: a look at the whole of it may take
/// long, and new mails are announced meanwhile.
async fn upkeep(post: &Post, committed: &Notify, shutdown: &CancellationToken) {
    tokio::select! {
        () = shutdown.cancelled() => {}
        () = wake(post, committed) => {}
        () = sweeps(post) => {}
    }
}

/// A commit wakes one, and whoever finds more than it can carry wakes the next: so many claim as
/// there is work for.
async fn wake(post: &Post, committed: &Notify) {
    let mut tick = interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = committed.notified() => post.more.notify_one(),
            _ = tick.tick() => post.more.notify_waiters(),
        }
    }
}

async fn sweeps(post: &Post) {
    let mut sweeps = interval(SWEEP);
    sweeps.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        sweeps.tick().await;
        // An outage of the database shows in the couriers; the next sweep comes anyway.
        drop(sweep(post).await);
    }
}

/// Calls unknown what couriers left behind that are gone, and counts what waits.
///
/// # Errors
/// When the ledger cannot be read or written.
pub async fn sweep(post: &Post) -> Result<(), StoreError> {
    let count = claim::expire(&post.pool).await?;
    if count > 0 {
        metrics::expired(count);
        tracing::warn!(count, "mails whose courier is gone: what became of them is unknown");
    }
    let (count, oldest_seconds) = claim::backlog(&post.pool).await?;
    metrics::backlog(count, oldest_seconds);
    Ok(())
}

struct Round {
    courier: Courier,
    post: Arc<Post>,
    ledger: Dependency,
    heartbeat: Heartbeat,
    shutdown: CancellationToken,
}

impl Round {
    async fn walk(mut self) {
        while !self.shutdown.is_cancelled() {
            self.heartbeat.beat();
            if self.try_send_next().await == Some(Progress::Sent) {
                continue;
            }
            // A call that nobody waits for is kept for whoever waits next: none is missed.
            tokio::select! {
                () = self.post.more.notified() => {}
                () = self.shutdown.cancelled() => {}
            }
        }
        if let Err(error) = self.courier.finish().await {
            tracing::error!(%error, "mails were sent and it could not be written down");
        }
    }

    async fn try_send_next(&mut self) -> Option<Progress> {
        match self.courier.try_send_next().await {
            Ok(progress) => {
                self.ledger.up();
                Some(progress)
            }
            Err(error) => {
                self.ledger.down(error.to_string());
                None
            }
        }
    }
}
