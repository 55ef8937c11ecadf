//! Connections that stay open and are of no use: silent, or to a server that has been replaced.

use harness::Draw;

use super::{Strike, lasts};
use crate::world::{MAILS_IN_HAND, WORKERS, Way, World};

/// First nobody gets through, then only those who are connected get nothing more: at the end, so that
/// what follows has to do with new connections what it wants.
pub(crate) async fn postgres(world: &mut World<'_>) -> Strike {
    let Way::Postgres(relay) = &world.way else { return Strike::default() };
    relay.silence();
    lasts(8.0).await;
    relay.silence_all();
    lasts(6.0).await;
    relay.speak();
    lasts(4.0).await;
    relay.silence();
    Strike::default()
}

/// Whoever is connected to the first server stays so.
pub(crate) async fn failover(world: &mut World<'_>) -> Strike {
    let Way::Failover(relay, replica) = &world.way else { return Strike::default() };
    replica.take_over().await;
    relay.send_new_to(&replica.address);
    Strike::default()
}

/// What is restarted meanwhile has learned no schema yet.
pub(crate) async fn registry(world: &mut World<'_>, draw: &mut Draw) -> Strike {
    let Way::Registry(relay) = &world.way else { return Strike::default() };
    relay.silence_all();
    let learned = world.deployment.folder().join("schemas");
    std::fs::remove_dir_all(&learned).unwrap();
    std::fs::create_dir(&learned).unwrap();
    for group in world.workers.chunks_mut(WORKERS).chain([world.apis.as_mut_slice()]) {
        let restarted = &mut group[draw.below(WORKERS)];
        restarted.stop().await;
        restarted.start_again();
        lasts(1.0).await;
    }
    lasts(8.0).await;
    relay.speak();
    Strike::default()
}

/// Of a mail whose answer never comes nobody knows whether it was taken.
pub(crate) async fn smtp(world: &mut World<'_>) -> Strike {
    let Way::Smtp(relay) = &world.way else { return Strike::default() };
    relay.silence();
    lasts(6.0).await;
    relay.silence_all();
    lasts(6.0).await;
    relay.speak();
    lasts(4.0).await;
    relay.silence();
    Strike::unknown(WORKERS * MAILS_IN_HAND)
}
