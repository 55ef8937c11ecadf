//! The servers: brokers and Postgres, stopped, crashed, frozen, out of disk.

use std::io::Write;

use harness::Draw;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rustix::process::Signal;

use super::{Strike, lasts};
use crate::world::World;

const BROKERS: usize = 3;

pub(crate) async fn broker_kill(world: &mut World<'_>, draw: &mut Draw) -> Strike {
    let broker = format!("kafka-{}", 1 + draw.below(BROKERS));
    world.servers.end(&broker, Signal::KILL).await;
    lasts(8.0).await;
    world.servers.up().await;
    Strike::default()
}

pub(crate) async fn broker_roll(world: &mut World<'_>) -> Strike {
    for number in 1..=BROKERS {
        world.servers.end(&format!("kafka-{number}"), Signal::TERM).await;
        world.servers.up().await;
    }
    Strike::default()
}

/// It neither works nor hangs up: the others have to find out.
pub(crate) async fn leader_frozen(world: &mut World<'_>, draw: &mut Draw) -> Strike {
    let topic = world.deployment.topic("orders");
    let consumer: BaseConsumer = world.deployment.kafka().create().unwrap();
    let metadata = consumer.fetch_metadata(Some(&topic), std::time::Duration::from_secs(10));
    let metadata = metadata.unwrap();
    let partitions = metadata.topics()[0].partitions();
    let leader = format!("kafka-{}", partitions[draw.below(partitions.len())].leader());
    world.servers.signal(&leader, Signal::STOP);
    lasts(14.0).await;
    world.servers.signal(&leader, Signal::CONT);
    Strike::default()
}

/// SIGQUIT is what `pg_ctl stop -m immediate` sends.
pub(crate) async fn postgres_crash(world: &mut World<'_>, draw: &mut Draw) -> Strike {
    for _ in 0..3 {
        lasts(1.0 + draw.below(20) as f64 / 10.0).await;
        world.servers.end("postgres", Signal::QUIT).await;
        world.servers.up().await;
    }
    Strike::default()
}

pub(crate) async fn postgres_away(world: &mut World<'_>) -> Strike {
    world.servers.end("postgres", Signal::QUIT).await;
    lasts(12.0).await;
    world.servers.up().await;
    Strike::default()
}

/// Postgres refuses to write, or ends by itself; it is up to `up` then.
pub(crate) async fn disk_full(world: &mut World<'_>) -> Strike {
    let filler = world.servers.folder_of("postgres").join("filler");
    fill(&filler);
    for _ in 0..8 {
        lasts(1.0).await;
        fill(&filler);
    }
    std::fs::remove_file(&filler).unwrap();
    world.servers.up().await;
    Strike::default()
}

/// Until nothing more goes in.
fn fill(file: &std::path::Path) {
    let mut file = std::fs::OpenOptions::new().create(true).append(true).open(file).unwrap();
    for size in [1 << 20, 1 << 12] {
        while file.write_all(&vec![0; size]).is_ok() {}
    }
}
