//! The one in-process engine of the tests: containers, its clients, and a driver without chance.

pub mod client;
pub mod cluster_client;
pub mod container;
pub mod engine;
pub mod scripted;
pub mod slurm;
