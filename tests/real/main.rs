//! The real server under the real engine, with real Zig, and under a real systemd.
//!
//! These tests need docker and the toolchain images, and fail without: `make test` makes both.

#[path = "../common/mod.rs"]
mod common;

mod cache;
mod crash;
mod dependencies;
mod doctor;
mod engine_death;
mod exchange;
mod exclusive;
mod fetch;
mod host;
mod hostile;
mod images;
mod imports;
mod kept;
mod launcher;
mod limits;
mod machine;
mod names;
mod outcomes;
mod own_engine;
mod own_node;
mod package;
mod packages;
mod podman;
mod searches;
mod service;
mod sources;
mod targets;
mod watch;
mod web;
