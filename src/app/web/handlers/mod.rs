//! Calls become answers: each file matches one branch of `Call`.

pub mod admin;
pub mod badges;
pub mod compare;
pub mod docs;
pub mod feeds;
pub mod forms;
pub mod frame;
pub mod health;
pub mod hooks;
pub mod hosts;
pub mod issues;
pub mod live;
pub mod log_page;
pub mod metrics;
pub mod nodes;
pub mod packages;
pub mod pages;
pub mod queue;
pub mod quotas;
pub mod read;
pub mod rows;
pub mod stats;
pub mod submit;
pub mod tokens;
pub mod upgrade;
pub mod watch;
