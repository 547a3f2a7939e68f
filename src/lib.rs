//! The map: one line per room, in reading order.

pub mod event;
pub mod message;
pub mod slab;
