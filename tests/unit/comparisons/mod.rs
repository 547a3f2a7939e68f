//! What changed between two Zig versions.

mod api;
pub mod data;
mod model;
mod pages;
mod rule;
