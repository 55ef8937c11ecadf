//! Our own processes: killed, frozen.

use std::time::Duration;

use harness::{Draw, holds_within};
use sqlx::AssertSqlSafe;

use super::{Strike, lasts};
use crate::world::{GROUPS, MAILS_IN_HAND, WORKERS, World};

const ROUNDS: usize = 2;
/// A group has a batch to write by then, unless it has nothing to do.
const WRITES_WITHIN: Duration = Duration::from_secs(2);

/// Every worker once in a round, in an order that is drawn; an API in each round.
pub(crate) async fn kill(world: &mut World<'_>, draw: &mut Draw) -> Strike {
    for round in 0..ROUNDS {
        let mut left: Vec<usize> = (0..world.workers.len()).collect();
        let with_api = draw.below(left.len());
        while !left.is_empty() {
            let victim = left.swap_remove(draw.below(left.len()));
            let api = (left.len() == with_api).then_some(round);
            kill_in_the_middle(world, victim).await;
            api.iter().for_each(|api| world.apis[*api].kill());
            lasts(0.5).await;
            world.workers[victim].start_again();
            api.iter().for_each(|api| world.apis[*api].start_again());
            lasts(1.0).await;
        }
    }
    Strike::unknown(ROUNDS * WORKERS * MAILS_IN_HAND)
}

/// While its batch waits for a lock that is held here: what it committed of it before is in the store,
/// and the rest is not.
async fn kill_in_the_middle(world: &mut World<'_>, victim: usize) {
    let mut held = world.deployment.pool.begin().await.unwrap();
    let lock = format!("LOCK TABLE \"{}\".orders IN EXCLUSIVE MODE", GROUPS[victim / WORKERS]);
    sqlx::query(AssertSqlSafe(lock)).execute(&mut *held).await.unwrap();
    let waiting = "SELECT count(DISTINCT client_port) FROM pg_stat_activity
        WHERE wait_event_type = 'Lock' AND datname = current_database()";
    let all_wait = async || world.deployment.number(waiting).await > WORKERS as i64;
    holds_within(WRITES_WITHIN, all_wait).await;
    world.workers[victim].kill();
    held.rollback().await.unwrap();
}

/// One of each group, for longer than its session: others take its partitions meanwhile.
pub(crate) async fn freeze(world: &mut World<'_>, draw: &mut Draw) -> Strike {
    let frozen: Vec<_> =
        world.workers.chunks(WORKERS).map(|group| &group[draw.below(WORKERS)]).collect();
    frozen.iter().for_each(|worker| worker.freeze());
    lasts(10.0).await;
    frozen.iter().for_each(|worker| worker.thaw());
    Strike::unknown(MAILS_IN_HAND)
}
