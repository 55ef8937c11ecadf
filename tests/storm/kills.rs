//! Whom to kill and when. The same seed kills the same ones in the same order.

use std::cell::Cell;
use std::time::Duration;

use harness::Service;
use tokio::time::{Instant, sleep_until};
use uuid::Uuid;

/// Between two kills of a worker.
const EVERY: Duration = Duration::from_secs(2);
/// How long a killed process stays away.
const AWAY: Duration = Duration::from_millis(500);

pub(crate) struct Kills {
    seed: u64,
    pub(crate) count: u64,
}

impl Kills {
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed, count: 0 }
    }

    /// Kills a random worker again and again, and one API instance in the middle, until every
    /// order is acknowledged. Whoever is killed comes back.
    pub(crate) async fn run(
        &mut self,
        workers: &mut [Service],
        apis: &mut [Service; 2],
        done: &Cell<usize>,
        orders: usize,
    ) {
        let mut next = Instant::now() + EVERY;
        let mut api_killed = false;
        while done.get() < orders {
            sleep_until(next).await;
            let mut victims = vec![self.draw(workers.len())];
            if !api_killed && done.get() >= orders / 2 {
                api_killed = true;
                victims.push(workers.len());
            }
            for victim in &victims {
                of(workers, apis, *victim).kill();
            }
            sleep_until(next + AWAY).await;
            for victim in &victims {
                of(workers, apis, *victim).start_again();
            }
            next += EVERY;
        }
    }

    fn draw(&mut self, bound: usize) -> usize {
        self.count += 1;
        let drawn = Uuid::new_v5(&Uuid::from_u64_pair(self.seed, self.count), b"victim");
        (drawn.as_u128() % bound as u128) as usize
    }
}

fn of<'a>(
    workers: &'a mut [Service],
    apis: &'a mut [Service; 2],
    victim: usize,
) -> &'a mut Service {
    match workers.get_mut(victim) {
        Some(worker) => worker,
        None => &mut apis[0],
    }
}
