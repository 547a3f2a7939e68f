//! What watchers are sent: logs and events, from a cursor each.

pub mod events;
pub mod feed;
pub mod follow;
pub mod limits;
pub mod log;
pub mod logs;
pub mod subscription;
