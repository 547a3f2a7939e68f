//! Packages and sources that mean harm.

mod bounds;
mod builds;
mod fetched;
mod fetches;
mod host;
mod packages;
mod repositories;
mod world;
