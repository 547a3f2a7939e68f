//! A cluster of machines as namespaces, made by the scripts that make real ones: Slurm, munge and an engine for each
//! node.
//!
//! These tests need root, dockerd and Slurm's packages, and fail without: `make setup-tests` installs the packages.
//! Nothing of the machine's own engine, Slurm or munge is touched.

#[path = "../common/mod.rs"]
mod common;

mod builds;
mod cluster;
mod faults;
mod health;
mod machine;
mod membership;
mod readme;
mod scripts;
mod server;
mod stand_in;
