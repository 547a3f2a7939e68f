//! The shell, with real children and real sockets.

#[path = "../common/mod.rs"]
mod common;

mod crowd;
mod shell;
