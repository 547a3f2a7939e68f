//! Everything that holds a slot, from its start to its verdict.

pub mod attempt;
pub mod build;
pub mod commit_searches;
pub mod completion;
pub mod dependency_cache;
pub mod job_events;
pub mod judge;
pub mod limits;
pub mod outcomes;
pub mod queue_view;
pub mod rechecks;
pub mod record;
pub mod recovery;
pub mod retirement;
pub mod running;
pub mod scheduler;
pub mod services;
pub mod target_task;
pub mod targets;
pub mod verdict_cache;
