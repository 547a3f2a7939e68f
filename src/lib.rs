//! zigcheck builds and tests Zig packages under several Zig versions, on one thread. The folders are layers: each
//! names only those above it in this list (ARCHITECTURE.md, `tests/tidy.rs`).

// Errors are values; `expect` says why there can be none.
#![cfg_attr(not(test), warn(clippy::unwrap_used))]

pub mod base;
pub mod config;
pub mod interface;

pub mod http;
pub mod shell;

pub mod app;

pub mod commands;
pub mod notify;
