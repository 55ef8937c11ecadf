//! The ways between our processes and the servers: slow, cut, away.

use std::time::Duration;

use harness::Draw;
use relay::Relay;

use super::{Strike, lasts};
use crate::world::{MAILS_IN_HAND, WORKERS, Way, World};

pub(crate) async fn kafka(world: &mut World<'_>) -> Strike {
    let Way::Kafka(brokers) = &mut world.way else { return Strike::default() };
    brokers.delay(Duration::from_millis(100));
    lasts(5.0).await;
    for _ in 0..5 {
        brokers.cut();
        lasts(0.5).await;
        brokers.mend().await;
        lasts(2.0).await;
    }
    brokers.delay(Duration::ZERO);
    Strike::default()
}

pub(crate) async fn postgres(world: &mut World<'_>, draw: &mut Draw) -> Strike {
    let Way::Postgres(relay) = &mut world.way else { return Strike::default() };
    relay.delay(Duration::from_millis(20));
    for _ in 0..8 {
        lasts(0.5 + draw.below(20) as f64 / 10.0).await;
        cut(relay, 0.3).await;
    }
    relay.delay(Duration::ZERO);
    Strike::default()
}

/// Of what a connection carried when it was cut nobody knows whether it arrived.
pub(crate) async fn smtp(world: &mut World<'_>) -> Strike {
    let Way::Smtp(relay) = &mut world.way else { return Strike::default() };
    relay.delay(Duration::from_millis(50));
    for _ in 0..4 {
        lasts(2.5).await;
        cut(relay, 1.0).await;
    }
    relay.delay(Duration::ZERO);
    Strike::unknown(WORKERS * MAILS_IN_HAND)
}

/// What is restarted meanwhile has learned the schemas before.
pub(crate) async fn registry(world: &mut World<'_>, draw: &mut Draw) -> Strike {
    let Way::Registry(relay) = &mut world.way else { return Strike::default() };
    relay.cut();
    for group in world.workers.chunks_mut(WORKERS).chain([world.apis.as_mut_slice()]) {
        let restarted = &mut group[draw.below(WORKERS)];
        restarted.stop().await;
        restarted.start_again();
        lasts(2.0).await;
    }
    lasts(5.0).await;
    relay.mend().await;
    Strike::default()
}

async fn cut(relay: &mut Relay, seconds: f64) {
    relay.cut();
    lasts(seconds).await;
    relay.mend().await;
}
