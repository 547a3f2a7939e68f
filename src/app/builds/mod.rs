//! Everything that holds a slot, from its start to its verdict.

pub mod attempt;
pub mod attempt_context;
pub mod build;
pub mod commit_searches;
pub mod completion;
pub mod dependency_cache;
pub mod fetched;
pub mod handed_out;
pub mod job_events;
pub mod judge;
pub mod kept_caches;
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
pub mod times;
pub mod verdict_cache;
