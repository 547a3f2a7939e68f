//! Logs and events for watchers, each of which reads on from a cursor.

pub mod events;
pub mod feed;
pub mod follow;
pub mod limits;
pub mod line_index;
pub mod log;
pub mod log_page;
pub mod logs;
pub mod page;
pub mod subscription;
pub mod waits;
