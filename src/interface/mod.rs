//! What the shell and the app say to each other: events in, actions out.

pub mod event;
pub mod message;
pub mod outbox;
