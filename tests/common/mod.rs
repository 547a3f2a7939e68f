//! What the tests share. Each test binary and each bench includes it, and none uses all of it.
#![allow(dead_code)]

pub mod by_hand;
pub mod core;
pub mod core_steps;
pub mod engine;
pub mod exposition;
pub mod git;
pub mod html;
pub mod http;
pub mod landed;
pub mod load;
pub mod manifests;
#[path = "../standin/noise.rs"]
pub mod noise;
pub mod pack;
pub mod play;
pub mod record;
pub mod rows;
pub mod seed;
pub mod server;
pub mod settings;
pub mod standin;
pub mod talk;
pub mod toy;
pub mod toy_server;
pub mod wire;
pub mod zig;
