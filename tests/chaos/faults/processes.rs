//! Our own processes: killed, frozen.

use harness::Draw;

use super::{Strike, lasts};
use crate::world::{MAILS_IN_HAND, WORKERS, World};

const ROUNDS: usize = 2;

/// Every worker once in a round, in an order that is drawn; an API in each round.
pub(crate) async fn kill(world: &mut World<'_>, draw: &mut Draw) -> Strike {
    for round in 0..ROUNDS {
        let mut left: Vec<usize> = (0..world.workers.len()).collect();
        let with_api = draw.below(left.len());
        while !left.is_empty() {
            let victim = left.swap_remove(draw.below(left.len()));
            let api = (left.len() == with_api).then_some(round);
            world.workers[victim].kill();
            api.iter().for_each(|api| world.apis[*api].kill());
            lasts(0.5).await;
            world.workers[victim].start_again();
            api.iter().for_each(|api| world.apis[*api].start_again());
            lasts(1.0).await;
        }
    }
    Strike::unknown(ROUNDS * WORKERS * MAILS_IN_HAND)
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
