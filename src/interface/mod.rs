//! The interface between shell and app: events in, actions out.

pub mod counters;
pub mod event;
pub mod message;
pub mod outbox;
pub mod peer;
