//! The real server with a stand-in for the docker command.
//!
//! The clients need what `tests/setup` installs, and fail without: `make test` sees to it.

#[path = "../common/mod.rs"]
mod common;

mod admin;
mod backup;
mod browser;
mod builds;
mod clients;
mod doctor;
mod import;
mod limits;
mod manual;
mod metrics;
mod notifier;
mod notify;
mod openapi;
mod proxies;
mod secrets;
mod standin_engine;
mod upgrade;
