//! Daily rechecks of remotes, rebuilds and popularity.

mod popularity;
mod rebuilds;
mod schedule;
mod times;
