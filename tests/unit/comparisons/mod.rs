//! What changed between two Zig versions.

mod model;
mod rule;
