//! Daily rechecks of remotes, rebuilds and popularity.

mod behind;
mod popularity;
mod rebuilds;
mod schedule;
mod times;
