#![doc = include_str!("../README.md")]
#![deny(missing_docs)]

mod brokers;
mod fetched;
mod fetching;
mod log_reader;
mod misfit;
mod outlook;
mod record_headers;
mod settings;
mod topic_ids;
mod watermarks;

pub use brokers::any_broker_up;
pub use fetched::FetchedRecord;
pub use log_reader::{LogError, LogReader, Span, Step};
pub use misfit::{LogState, PositionMisfit};
pub use record_headers::{RecordHeader, record_headers};
pub use settings::{GroupProtocol, KafkaSettings, OPTIONS};
pub use topic_ids::{TopicIdError, topic_ids};
pub use watermarks::watermarks;
