//! The shell, with real children and real sockets.

#[path = "../common/mod.rs"]
mod common;

mod children;
mod client;
mod crowd;
mod dir;
mod listening;
mod one_shot;
mod requests;
mod stops;
mod streams;
