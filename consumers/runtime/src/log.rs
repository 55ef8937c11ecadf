//! What comes in: the group, the fetch queues, and the thread that reads them. Knows whose the
//! partitions are, and no database.

pub(crate) mod fetch_queues;
pub(crate) mod fetching;
pub(crate) mod group;
pub(crate) mod hole;
pub(crate) mod identity;
pub(crate) mod lag_report;
pub(crate) mod messages;
pub(crate) mod poll;
pub(crate) mod schema_requests;
pub(crate) mod standby;
pub(crate) mod starting;
pub(crate) mod statistics;
pub(crate) mod unreadable;
