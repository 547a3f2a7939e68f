//! What changed between two Zig versions.

mod api;
pub mod data;
mod dated;
mod model;
mod pages;
mod rule;
