//! The notifier: a second program, which follows the events of a server and reports them to forges, webhooks and mail
//! for those who asked for it. What it does is decided by pure functions; `notifier.rs` is the core of its loop.

pub mod config;
pub mod facts;
pub mod fields;
pub mod follow;
pub mod forge;
pub mod issue;
pub mod limits;
pub mod lookup;
pub mod mail;
pub mod news;
pub mod notifier;
pub mod options;
pub mod outcome;
pub mod server;
pub mod status;
pub mod store;
pub mod task;
pub mod texts;
pub mod webhook;
