//! The container engine: its state, its commands, and the child processes that run them.

pub mod capabilities;
pub mod commands;
pub mod container_state;
pub mod docker;
pub mod engine;
pub mod engines;
pub mod exit;
pub mod job;
pub mod kind;
pub mod limits;
pub mod listings;
pub mod nodes;
pub mod routing;
pub mod slurm;
pub mod ssh;
