//! A mail server with moods, a clock that steps, a log that does not fit its position.

use std::time::Duration;

use harness::{Draw, Mails, Violation, ensure, holds_within};
use serde_json::json;

use super::{Strike, lasts};
use crate::checks::Excused;
use crate::world::{Way, World};

const NOTICED_WITHIN: Duration = Duration::from_secs(30);
const BOUNCED: usize = 20;

pub(crate) async fn smtp_slow(world: &mut World<'_>) -> Strike {
    let mails = Mails::of(&world.deployment.stack);
    mails.misbehave(json!({ "mode": "ok", "stage": "data", "delay_ms": 700 })).await;
    lasts(12.0).await;
    mails.behave().await;
    Strike::default()
}

pub(crate) async fn smtp_refusing(world: &mut World<'_>) -> Strike {
    let mails = Mails::of(&world.deployment.stack);
    mails.misbehave(json!({ "mode": "reply", "stage": "rcpt", "code": 451 })).await;
    lasts(5.0).await;
    mails.misbehave(json!({ "mode": "reply", "stage": "connect", "code": 554 })).await;
    lasts(5.0).await;
    let refused = json!({ "mode": "reply", "stage": "rcpt", "code": 550, "times": BOUNCED });
    mails.misbehave(refused).await;
    lasts(5.0).await;
    mails.behave().await;
    Strike { excused: Excused { unknown: 0, bounced: BOUNCED }, gap: None }
}

pub(crate) async fn clock_step(world: &mut World<'_>) -> Strike {
    let Way::Clock(file) = &world.way else { return Strike::default() };
    for wrong in ["+3600", "-3600", "+0"] {
        lasts(4.0).await;
        std::fs::write(file, format!("{wrong}\n")).unwrap();
    }
    Strike::default()
}

const BEYOND: i64 = 1_000_000;

/// As if the log had been restored from an older copy, for one partition of analytics.
pub(crate) async fn gap(world: &mut World<'_>, draw: &mut Draw) -> Strike {
    let workers = world.workers.len() - 2..;
    for worker in &mut world.workers[workers.clone()] {
        worker.stop().await;
    }
    let topic = world.deployment.topic("orders");
    let partition = draw.below(world.deployment.ends(&topic).len());
    let which = format!("WHERE topic = '{topic}' AND partition = {partition}");
    let moved = |by: i64| {
        format!("UPDATE analytics.positions SET next_offset = next_offset + {by} {which}")
    };
    world.deployment.execute(&moved(BEYOND)).await;
    for worker in &mut world.workers[workers] {
        worker.start_again();
    }
    let noticed = stands_still(world, &which).await;
    world.deployment.execute(&format!("{} AND next_offset >= {BEYOND}", moved(-BEYOND))).await;
    Strike { gap: Some(noticed), ..Strike::default() }
}

async fn stands_still(world: &World<'_>, which: &str) -> Result<(), Violation> {
    let workers = &world.workers[world.workers.len() - 2..];
    let named = async || {
        let mut stopped = 0.0;
        for worker in workers {
            stopped += worker.metric("orderflow_partitions_stopped").await;
        }
        stopped >= 1.0
    };
    let named = holds_within(NOTICED_WITHIN, named).await;
    let position = format!("SELECT next_offset FROM analytics.positions {which}");
    let position = world.deployment.number(&position).await;
    ensure(position >= BEYOND, format!("the position went to {position} by itself"))?;
    ensure(named, "no worker says that a partition has stopped")
}
