//! The program: decides; touches regular files and the database, and nothing else.

pub mod builds;
pub mod dispatch;
pub mod domain;
pub mod engine;
pub mod live;
pub mod queue;
pub mod render;
pub mod retention;
pub mod source;
pub mod state;
pub mod store;
pub mod web;
