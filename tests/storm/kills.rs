//! Whom to kill and when. The same seed kills the same ones in the same order.

use std::cell::Cell;
use std::time::Duration;

use harness::{Draw, Service};
use tokio::time::{Instant, sleep_until};

/// Between two kills of a worker.
const EVERY: Duration = Duration::from_secs(2);
/// How long a killed process stays away.
const AWAY: Duration = Duration::from_millis(500);

/// Who was killed.
#[derive(Debug)]
pub(crate) struct Kills {
    /// How often each worker was.
    pub(crate) workers: Vec<usize>,
    /// Which instance of the API was, and after how many orders.
    pub(crate) api: Option<(usize, usize)>,
}

/// Kills one worker after the other, each of them once in a round, in an order that is drawn; and
/// one API instance, at an order from the middle half. Whoever is killed comes back.
pub(crate) async fn kill_until(
    done: &Cell<usize>,
    orders: usize,
    mut draw: Draw,
    workers: &mut [Service],
    apis: &mut [Service; 2],
) -> Kills {
    let api = draw.below(apis.len());
    let at = orders / 4 + draw.below(orders / 2 + 1);
    let mut kills = Kills { workers: vec![0; workers.len()], api: None };
    let mut round: Vec<usize> = Vec::new();
    let mut next = Instant::now() + EVERY;
    while done.get() < orders {
        sleep_until(next).await;
        if round.is_empty() {
            round = (0..workers.len()).collect();
        }
        let victim = round.swap_remove(draw.below(round.len()));
        let api_too = kills.api.is_none() && done.get() >= at;
        workers[victim].kill();
        kills.workers[victim] += 1;
        if api_too {
            apis[api].kill();
            kills.api = Some((api, done.get()));
        }
        sleep_until(next + AWAY).await;
        workers[victim].start_again();
        if api_too {
            apis[api].start_again();
        }
        next += EVERY;
    }
    kills
}
