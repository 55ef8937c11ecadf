//! Whose a partition is: positions, claims, and why a partition stops. Knows no other room.

pub(crate) mod assignments;
pub(crate) mod claim;
pub(crate) mod first_start;
pub(crate) mod handover;
pub(crate) mod owned_partitions;
pub(crate) mod positions;
pub(crate) mod stop;
pub(crate) mod stopped_partitions;
