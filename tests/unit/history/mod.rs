//! Retention: the oldest goes first, what is needed never.

mod builds;
mod files;
mod model;
mod place;
