//! Requests become calls: each file has the rows, the readers and the type of one branch; `table` joins them.

pub mod admin;
pub mod badges;
pub mod compare;
pub mod feeds;
pub mod forms;
pub mod hooks;
pub mod hosts;
pub mod issues;
pub mod nodes;
pub mod pages;
pub mod quotas;
pub mod read;
pub mod route;
pub mod stats;
pub mod submit;
pub mod table;
pub mod tokens;
pub mod upgrade;
pub mod watch;
