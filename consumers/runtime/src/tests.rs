//! The runtime whole, inside one process: real Postgres, librdkafka's own mock of a cluster (and a
//! real cluster where the mock cannot do it). Apply and park are tested beside their code.

mod dead_letters;
mod first_start;
mod members;
pub(crate) mod outbox;
mod partitions;
mod transactions;
mod workers;
pub(crate) mod world;

pub(crate) use world::ids_of_mock;
