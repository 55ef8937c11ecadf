#![doc = include_str!("../README.md")]
#![deny(missing_docs)]

mod pinned;
mod pool;
mod role_url;
mod verdict;

pub use pinned::{Lent, Pinned};
pub use pool::{
    CONVERSATION, Plans, PostgresSettings, Purpose, guarded, pool_options, session, within,
};
pub use role_url::role_url;
